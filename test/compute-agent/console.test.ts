import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConsole } from '#compute-agent/servers/console.ts';
import { CONSOLE_LIMIT_BYTES } from '#schema/questions.ts';
import { Lab } from './support/lab.ts';

describe('console of a domain', () => {
  let lab: Lab;
  let dir: string;
  let id: string;
  let path: string;
  before(async () => {
    lab = await Lab.open();
    dir = await mkdtemp(join(tmpdir(), 'by-c-'));
    id = crypto.randomUUID();
    path = join(dir, 'console.log');
    await lab.define(`<domain type='qemu'><name>quiet</name><uuid>${id}</uuid>
      <memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
      <devices><serial type='pty'><log file='${path}' append='on'/></serial></devices></domain>`);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const read = async (lines: number | null = null) => readConsole(lab.virsh, { serverId: id, lines });

  it('is empty before it has said anything', async () => {
    assert.deepEqual(await read(), { state: 'ok', text: '' });
  });

  it('is read from its end, across the file that was put away', async () => {
    await writeFile(`${path}.0`, `${'x'.repeat(CONSOLE_LIMIT_BYTES)}\none\n`);
    await writeFile(path, 'two\nthree');
    const { text } = await read();
    assert.equal(text.length, CONSOLE_LIMIT_BYTES);
    assert.ok(text.endsWith('x\none\ntwo\nthree'));
    assert.equal((await read(2)).text, 'two\nthree');
    assert.equal((await read(3)).text, 'one\ntwo\nthree');
    assert.equal((await read(0)).text, '');
    await writeFile(path, 'two\nthree\n');
    assert.equal((await read(1)).text, 'three\n');
  });

  it('is not known of a domain that writes none down, nor of one that is not here', async () => {
    const deaf = await lab.deafGuest('deaf');
    const input = { serverId: deaf, lines: null };
    assert.deepEqual(await readConsole(lab.virsh, input), { state: 'not-logged', text: '' });
    const nobody = { serverId: crypto.randomUUID(), lines: null };
    assert.deepEqual(await readConsole(lab.virsh, nobody), { state: 'no-server', text: '' });
    await lab.run('undefine', deaf);
  });
});
