import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Worker } from 'bullmq';
import { createDispatcher, type Dispatcher } from '#queues/conductor/dispatcher.ts';
import { Liveness } from '#queues/conductor/liveness.ts';
import { openRedis } from '#queues/redis.ts';
import { createRedis } from '#test/support/redis.ts';

const QUEUE = 'storage.host1';
const WITHIN_MS = 400;

describe('a task whose time is up', () => {
  let redis: { readonly url: string; readonly prefix: string };
  let dispatcher: Dispatcher;
  let worker: Worker | undefined;
  let connection: ReturnType<typeof openRedis> | undefined;
  beforeEach(async () => {
    redis = await createRedis();
    const liveness = new Liveness(Date.now);
    liveness.listening();
    liveness.heard(QUEUE);
    assert.equal(liveness.of(QUEUE), 'up');
    dispatcher = createDispatcher(
      redis.url,
      redis.prefix,
      Date.now,
      liveness,
      (_agent, envelope) => envelope,
    );
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

  it('is waited for once it was begun, where it cannot', async () => {
    work(3 * WITHIN_MS);
    assert.deepEqual(await dispatcher.run(dispatch(), WITHIN_MS, 'fail-unless-begun'), { sizeBytes: 1 });
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
