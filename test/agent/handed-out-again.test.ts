import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, QueueEvents } from 'bullmq';
import { startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { asId } from '#schema/ids.ts';
import { createRedis } from '#test/support/redis.ts';

describe('a task that is handed out again while it is at work', () => {
  it('is carried out once, and its end counts', async function () {
    this.timeout(60_000);
    const { url, prefix } = await createRedis();
    const stateDir = await mkdtemp(join(tmpdir(), 'by-again-'));
    const [begun, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let runs = 0;
    const handlers = {
      'volume.absent': async () => {
        runs += 1;
        begun.resolve();
        await goesOn.promise;
        return {};
      },
    };
    const agent = await startAgent({
      kind: 'storage',
      host: asId('h1'),
      redisUrl: url,
      prefix,
      stateDir,
      handlers: handlers as unknown as Handlers<'storage'>,
      report: async () => {
        throw new Error('nothing to report');
      },
      log: () => undefined,
    });
    const [connection, listening] = [openRedis(url), openRedis(url)];
    const name = agentQueue('storage', asId('h1'));
    const queue = new Queue(name, { connection, prefix });
    const events = new QueueEvents(name, { connection: listening, prefix });
    try {
      await events.waitUntilReady();
      const volumeId = '8d6d7e0c-2f4f-4f0e-9d3f-0a86a7e1a3f1';
      const input = { volumeId, backend: 'files' };
      const job = await queue.add(
        'volume.absent',
        { volumeId, seq: 1, requestId: 'r', input },
        { jobId: 'long' },
      );
      await begun.promise;
      // As after a Redis that came back from an older file.
      const lock = `${prefix}:${name}:long:lock`;
      const former = await connection.getdel(lock);
      assert.ok(former !== null);
      let now: string | null = null;
      while (now === null || now === former) {
        await sleep(50);
        now = await connection.get(lock);
      }
      goesOn.resolve();
      await job.waitUntilFinished(events, 30_000);
      assert.equal(runs, 1);
    } finally {
      goesOn.resolve();
      await agent.stop();
      await events.close();
      await queue.close();
      connection.disconnect();
      listening.disconnect();
      await rm(stateDir, { recursive: true, force: true });
    }
  });
});
