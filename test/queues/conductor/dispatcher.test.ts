import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { createDispatcher, type Dispatcher } from '#queues/conductor/dispatcher.ts';
import { HostDown } from '#queues/conductor/host-down.ts';
import { Liveness } from '#queues/conductor/liveness.ts';
import { openRedis } from '#queues/redis.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import { createRedis } from '#test/support/redis.ts';

const QUEUE = 'storage.host1';
const WITHIN_MS = 400;

describe('a task whose time is up', () => {
  let redis: { readonly url: string; readonly prefix: string };
  let dispatcher: Dispatcher;
  let worker: Worker | undefined;
  let connection: ReturnType<typeof openRedis> | undefined;
  let liveness: Liveness;
  let ahead: number;
  beforeEach(async () => {
    redis = await createRedis();
    ahead = 0;
    const now = () => Date.now() + ahead;
    liveness = new Liveness(now);
    liveness.listening();
    liveness.heard(QUEUE);
    assert.equal(liveness.of(QUEUE), 'up');
    dispatcher = createDispatcher(redis.url, redis.prefix, now, liveness, (_agent, envelope) => envelope);
  });
  afterEach(async () => {
    await worker?.close(true);
    // A worker leaves open what it was given, and that would look for its server for ever.
    connection?.disconnect();
    worker = undefined;
    connection = undefined;
    await dispatcher.close();
  });

  const dispatch = () => ({
    queue: QUEUE,
    jobId: `${randomUUID()}.1.1.1`,
    task: 'volume.grow' as const,
    envelope: { volumeId: 'v', seq: 1, requestId: 'req-test', input: {} },
  });
  const work = (ms: number): void => {
    connection = openRedis(redis.url);
    worker = new Worker(
      QUEUE,
      async () => {
        await new Promise((resolve) => setTimeout(resolve, ms));
        return { output: { sizeBytes: 1 }, account: { commands: [], omitted: 0, ran_ms: ms } };
      },
      { connection, prefix: redis.prefix },
    );
  };

  it('fails when nobody has begun with it, and is not carried out later', async () => {
    for (const whenDown of ['fail', 'fail-unless-begun'] as const) {
      await assert.rejects(dispatcher.run(dispatch(), WITHIN_MS, whenDown), /did not answer within 0.4 s/);
    }
    const queued = await openQueueLength(redis);
    assert.equal(queued, 0);
  });

  it('fails although it was begun, where it can be undone', async () => {
    work(3 * WITHIN_MS);
    await assert.rejects(dispatcher.run(dispatch(), WITHIN_MS, 'fail'), /did not answer within/);
  });

  it('is not up at once where it is longer than a timer can be', async () => {
    work(WITHIN_MS);
    assert.deepEqual(await dispatcher.run(dispatch(), 2 ** 31, 'fail'), { sizeBytes: 1 });
  });

  it('has as long again from when Redis is back', async () => {
    const failed = assert.rejects(
      dispatcher.run(dispatch(), WITHIN_MS, 'fail'),
      /did not answer within 0.4 s/,
    );
    await sleep(WITHIN_MS / 2);
    // Silent for longer than a Redis that is there.
    ahead = 15_000;
    liveness.listening();
    const back = performance.now();
    await failed;
    assert.ok(performance.now() - back > WITHIN_MS - 5);
  });

  it('is waited for once it was begun, where it cannot', async () => {
    work(3 * WITHIN_MS);
    assert.deepEqual(await dispatcher.run(dispatch(), WITHIN_MS, 'fail-unless-begun'), { sizeBytes: 1 });
  });
});

describe('a task whose host is down', () => {
  const JOB = {
    queue: QUEUE,
    task: 'volume.grow' as const,
    envelope: { volumeId: 'v', seq: 1, requestId: 'req-test', input: {} },
  };
  let redis: { readonly url: string; readonly prefix: string };
  let observer: ReturnType<typeof openRedis>;
  let dispatcher: Dispatcher;
  let liveness: Liveness;
  let now: number;
  let others: ReadonlySet<string>;
  const clients = async () =>
    [...String(await observer.client('LIST')).matchAll(/^id=(\d+)/gm)].map(([, id = '']) => id);
  beforeEach(async () => {
    redis = await createRedis();
    observer = openRedis(redis.url);
    others = new Set(await clients());
    now = 1_000_000;
    liveness = new Liveness(() => now);
    liveness.listening();
    liveness.heard(QUEUE);
    dispatcher = createDispatcher(
      redis.url,
      redis.prefix,
      () => now,
      liveness,
      (_agent, envelope) => envelope,
    );
  });
  afterEach(async () => {
    await dispatcher.close();
    observer.disconnect();
  });

  /** Sends it, and returns once it lies where an agent would take it from. */
  const send = async (whenDown: 'fail' | 'fail-unless-begun') => {
    const dispatch = { ...JOB, jobId: `${randomUUID()}.1.1.1` };
    const ended = dispatcher.run(dispatch, undefined, whenDown).catch((error: unknown) => error);
    await queued();
    return { jobId: dispatch.jobId, ended };
  };
  const queued = async () => {
    while ((await openQueueLength(redis)) === 0) await sleep(10);
  };
  const falls = async () => {
    for (let passed = 0; passed <= DOWN_AFTER_S; passed += 5) {
      now += 5_000;
      liveness.listening();
    }
    assert.equal(liveness.of(QUEUE), 'down');
    await dispatcher.check();
  };
  const begunOf = async (ended: Promise<unknown>) => {
    const error = await ended;
    assert.ok(error instanceof HostDown, String(error));
    return error.begun;
  };
  const isOver = (ended: Promise<unknown>) => Promise.race([ended.then(() => true), sleep(300, false)]);

  it('has not been begun where it lay untouched all the time', async () => {
    for (const whenDown of ['fail', 'fail-unless-begun'] as const) {
      liveness.heard(QUEUE);
      const { ended } = await send(whenDown);
      await falls();
      assert.equal(await begunOf(ended), false);
      assert.equal(await openQueueLength(redis), 0);
    }
  });

  it('may have been begun where Redis lost it and got it again', async () => {
    const lost = [await send('fail'), await send('fail-unless-begun')] as const;
    // As FLUSHALL does, whatever an agent was at.
    await observer.del(...(await observer.keys(`${redis.prefix}:*`)));
    now += 3_000;
    await dispatcher.check();
    await queued();
    await falls();
    assert.equal(await begunOf(lost[0].ended), true);
    assert.equal(await isOver(lost[1].ended), false, 'what must be finished is waited for');
    assert.equal(await openQueueLength(redis), 1);
  });

  it('may have been begun where Redis was away since, and may have come back older than it was', async () => {
    const { ended } = await send('fail');
    for (const id of await clients()) if (!others.has(id)) await observer.client('KILL', 'ID', id);
    await falls();
    assert.equal(await begunOf(ended), true);
    liveness.heard(QUEUE);
    const later = await send('fail');
    await falls();
    assert.equal(await begunOf(later.ended), false, 'what was sent since is not in doubt');
  });
});

describe('tasks of a back end that ends none', () => {
  it('keep no task of another from its turn', async () => {
    const redis = await createRedis();
    const envelope = { volumeId: 'v', seq: 1, requestId: 'req-test' };
    const dispatcher = createDispatcher(
      redis.url,
      redis.prefix,
      Date.now,
      new Liveness(Date.now),
      (_agent, sealed) => sealed,
    );
    const send = (backend: string): void => {
      const jobId = `${randomUUID()}.1.1.1`;
      const input = { volumeId: 'v', backend };
      const dispatch = {
        queue: QUEUE,
        jobId,
        task: 'volume.absent' as const,
        envelope: { ...envelope, input },
      };
      dispatcher.run(dispatch, undefined).catch(() => undefined);
    };
    const sent = async (count: number): Promise<void> => {
      while ((await openQueueLength(redis)) < count) await sleep(10);
      await sleep(100);
      assert.equal(await openQueueLength(redis), count);
    };
    try {
      for (let each = 0; each < 30; each += 1) send('silent');
      await sent(24);
      send('well');
      await sent(25);
    } finally {
      dispatcher.abandon(new Error('the test is over'));
      await dispatcher.close();
    }
  });
});

async function openQueueLength({ url, prefix }: { url: string; prefix: string }): Promise<number> {
  const redis = openRedis(url);
  try {
    return (await redis.llen(`${prefix}:${QUEUE}:wait`)) + (await redis.llen(`${prefix}:${QUEUE}:active`));
  } finally {
    redis.disconnect();
  }
}
