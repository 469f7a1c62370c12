import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Places } from '#agent/places.ts';
import { withdrawJob } from '#queues/conductor/withdraw.ts';
import { startQueuedAgent } from './support/queued-agent.ts';

describe('places at work', () => {
  it('are a share’s own, handed on in order, and not waited for without end', async () => {
    const places = new Places(1, 50);
    const first = await places.enter('a');
    const [second, third] = [places.enter('a'), places.enter('a')];
    assert.notEqual(await places.enter('b'), null);
    first?.();
    const leave = await second;
    assert.notEqual(leave, null);
    assert.equal(await third, null);
    leave?.();
    assert.notEqual(await places.enter('a'), null);
  });
});

describe('a back end whose tasks hang', () => {
  // The task itself is an imitation: in this process a file system that is silent would keep the threads of all tests.
  it('keeps no task of another waiting, nor those that wait for it from being withdrawn', async function () {
    this.timeout(60_000);
    const silence = Promise.withResolvers<void>();
    const begun: string[] = [];
    await using agent = await startQueuedAgent({
      async 'volume.absent'({ volumeId, backend }) {
        begun.push(volumeId);
        if (backend === 'silent') await silence.promise;
        return {};
      },
    });
    const { queue, redis, events } = agent;
    const absent = (backend: string) => {
      const volumeId = randomUUID();
      const input = { volumeId, backend };
      return queue.add('volume.absent', { volumeId, seq: 1, requestId: 'r', input }, { jobId: volumeId });
    };
    try {
      const hanging = await Promise.all(Array.from({ length: 40 }, () => absent('silent')));
      while (begun.length < 32) await sleep(20);
      await (await absent('well')).waitUntilFinished(events, 5_000);
      assert.equal(begun.length, 33);
      const given = hanging.filter(({ id = '' }) => !begun.includes(id));
      const [first, ...rest] = given;
      assert.ok(first?.id !== undefined);
      while (!(await withdrawJob(redis, queue.opts.prefix ?? '', queue.name, first.id))) await sleep(20);
      silence.resolve();
      await Promise.all(rest.map((job) => job.waitUntilFinished(events, 10_000)));
      assert.equal(begun.length, 40);
      assert.ok(!begun.includes(first.id));
    } finally {
      silence.resolve();
    }
  });
});
