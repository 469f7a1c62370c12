import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { startQueuedAgent } from './support/queued-agent.ts';

describe('a task that is handed out again while it is at work', () => {
  it('is carried out once, and its end counts', async function () {
    this.timeout(60_000);
    const [begun, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let runs = 0;
    await using agent = await startQueuedAgent({
      async 'volume.absent'() {
        runs += 1;
        begun.resolve();
        await goesOn.promise;
        return {};
      },
    });
    const { queue, redis, events } = agent;
    try {
      const volumeId = '8d6d7e0c-2f4f-4f0e-9d3f-0a86a7e1a3f1';
      const input = { volumeId, backend: 'files' };
      const job = await queue.add(
        'volume.absent',
        { volumeId, seq: 1, requestId: 'r', input },
        { jobId: 'long' },
      );
      await begun.promise;
      // As after a Redis that came back from an older file.
      const lock = `${queue.toKey('long')}:lock`;
      const former = await redis.getdel(lock);
      assert.ok(former !== null);
      let now: string | null = null;
      while (now === null || now === former) {
        await sleep(50);
        now = await redis.get(lock);
      }
      goesOn.resolve();
      await job.waitUntilFinished(events, 30_000);
      assert.equal(runs, 1);
    } finally {
      goesOn.resolve();
    }
  });
});
