import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, QueueEvents } from 'bullmq';
import { type Agent, startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import type { LeaseTimes } from '#agent/lease.ts';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { createRedis } from '../support/redis.ts';

const HOST = asId<HostName>('h1');

describe('two machines of one host name', function () {
  this.timeout(60_000);
  let dir: string;
  let place: Awaited<ReturnType<typeof createRedis>>;
  let queue: Queue;
  let events: QueueEvents;
  /** Which machine has carried out each task. */
  let done: string[];
  const connections: ReturnType<typeof openRedis>[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-two-'));
    place = await createRedis();
    const connect = () => {
      const redis = openRedis(place.url);
      connections.push(redis);
      return { connection: redis, prefix: place.prefix };
    };
    queue = new Queue(agentQueue('storage', HOST), connect());
    events = new QueueEvents(queue.name, connect());
    await events.waitUntilReady();
  });
  beforeEach(() => {
    done = [];
  });
  after(async () => {
    await events?.close();
    await queue?.close();
    for (const connection of connections) connection.disconnect();
    await rm(dir, { recursive: true, force: true });
  });

  const start = (name: string, leaseTimes: LeaseTimes): Promise<Agent> =>
    startAgent({
      kind: 'storage',
      host: HOST,
      redisUrl: place.url,
      prefix: place.prefix,
      stateDir: join(dir, randomUUID()),
      machine: { id: name, boot: `${name}2`, name },
      leaseTimes,
      handlers: {
        async 'volume.absent'() {
          done.push(name);
          return {};
        },
      } as unknown as Handlers<'storage'>,
      report: async () => {
        throw new Error('nothing to report');
      },
      log: () => undefined,
    });
  async function task(): Promise<void> {
    const volumeId = randomUUID();
    const input = { volumeId, backend: 'files' };
    const job = await queue.add('volume.absent', { volumeId, seq: 1, requestId: 'r', input });
    await job.waitUntilFinished(events, 30_000);
  }
  const tasks = () => Promise.all(Array.from({ length: 8 }, task));

  it('carry out no task twice, and none on the one that waits', async () => {
    const times = { lasts: 5_000, missed: 5_000, renew: 500, look: 50 };
    const one = await start('one', times);
    const waiting = start('two', times);
    await tasks();
    assert.deepEqual(new Set(done), new Set(['one']));
    await one.stop();
    const two = await waiting;
    await tasks();
    assert.deepEqual(
      done.slice(8),
      Array.from({ length: 8 }, () => 'two'),
    );
    await two.stop();
  });

  it('never both: the one whose place was taken while it was silent begins nothing, and says why', async () => {
    // It still takes tasks, and does not renew: as when it was stopped for a while and has just gone on.
    const one = await start('one', { lasts: 1_000, missed: 500, renew: 3_600_000, look: 50 });
    const two = await start('two', { lasts: 1_000, missed: 500, renew: 100, look: 50 });
    await tasks();
    assert.deepEqual(new Set(done), new Set(['two']));
    assert.equal(done.length, 8);
    await one.reportNow();
    assert.match(
      await one.replaced,
      /storage\.h1 is the agent of the machine two, since .* \(one\) takes no more/,
    );
    await sleep(100);
    await tasks();
    assert.deepEqual(new Set(done), new Set(['two']));
    await Promise.all([one.stop(), two.stop()]);
  });
});
