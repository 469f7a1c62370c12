import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { parseProcfile } from '#stack/procfile.ts';

/** Of four folders: one for each task, 16 of a list's files, 3 that are looked into for LUKS, one that is asked for its space. */
const MOST = 4 * (32 + 16 + 3 + 1);

const CHILD = `
import { open, stat } from 'node:fs/promises';
for (let each = 0; each < ${MOST}; each += 1) open(process.argv[1]).catch(() => {});
await stat('/');
console.log('free');
`;

describe('a storage agent’s threads for files', () => {
  it('are more than four back ends whose server is silent can take', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'by-hung-'));
    // Who opens it waits in the kernel for a writer, as for the server of an NFS.
    const fifo = join(folder, 'fifo');
    await systemRunner.run('mkfifo', [fifo]);
    const procfile = await readFile(join(import.meta.dirname, '../../Procfile'), 'utf8');
    const threads = /UV_THREADPOOL_SIZE=(\d+)/.exec(parseProcfile(procfile).get('storage') ?? '')?.[1];
    const child = spawn(process.execPath, ['--input-type=module', '--eval', CHILD, fifo], {
      env: { ...process.env, UV_THREADPOOL_SIZE: threads },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    const patience = setTimeout(() => child.kill('SIGKILL'), 20_000);
    let said = '';
    for await (const chunk of child.stdout) {
      said += String(chunk);
      break;
    }
    clearTimeout(patience);
    // It could not end by itself: its threads are waited for.
    child.kill('SIGKILL');
    await exit;
    await rm(folder, { recursive: true });
    assert.equal(said, 'free\n');
  }).timeout(30_000);
});
