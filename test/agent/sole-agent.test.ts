import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beSoleAgent } from '#agent/sole-agent.ts';

describe('sole agent', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockyard-sole-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('refuses a second one with the same folder until the first has left', async () => {
    const leave = await beSoleAgent(folder);
    await assert.rejects(beSoleAgent(join(folder, '.')), /another agent works with/);
    leave();
    (await beSoleAgent(folder))();
  });

  it('is free again as soon as its holder was killed', async () => {
    const script = `const { beSoleAgent } = await import('${resolve('agent/sole-agent.ts')}');
      await beSoleAgent('${folder}'); console.log('has it'); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await assert.rejects(beSoleAgent(folder), /another agent works with/);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    (await beSoleAgent(folder))();
  });
});
