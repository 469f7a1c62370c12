import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort } from '#stack/servers/port.ts';
import { startRedis } from '#stack/servers/redis.ts';
import { createYard } from '#test/support/yard.ts';

describe('a conductor without Redis', () => {
  it('starts once Redis is there, and lets its operations go although Redis has gone', async () => {
    await using yard = await createYard();
    const dir = await mkdtemp(join(tmpdir(), 'blockyard-outage-'));
    const [port, password] = [await freePort(), 'secret'];
    const conductor = spawn(process.execPath, ['queues/conductor/main.ts'], {
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: yard.url,
        REDIS_URL: `redis://:${password}@127.0.0.1:${port}`,
        BLOCKYARD_HOST: 'cond1',
        BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const working = once(conductor.stdout, 'data');
    await setTimeout(1_000);
    const redis = await startRedis({ dir, port, password });
    try {
      await working;
      await yard.begin('volume.create', await yard.addVolume('creating', false), {});
      const owner = async () =>
        (await yard.db.selectFrom('operations').select('owner').executeTakeFirstOrThrow()).owner;
      // The sweeper takes it up; no agent answers.
      while ((await owner()) === null) await setTimeout(100);
      await redis.stop();
      const exited = once(conductor, 'exit', { signal: AbortSignal.timeout(15_000) });
      conductor.kill('SIGTERM');
      assert.deepEqual(await exited, [0, null]);
      assert.equal(await owner(), null);
    } finally {
      conductor.kill('SIGKILL');
      await redis.stop();
      await rm(dir, { recursive: true });
    }
  });
});
