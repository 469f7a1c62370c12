import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, QueueEvents } from 'bullmq';
import { type Agent, startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { REPORT_EVERY_S } from '#schema/reports.ts';
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

  /** With a lease that is soon over: reports, which renew it, come so seldom that its holder counts as silent. */
  const start = (name: string, times: { lasts: number; missed: number; look: number }): Promise<Agent> =>
    startAgent({
      kind: 'storage',
      host: HOST,
      redisUrl: place.url,
      prefix: place.prefix,
      stateDir: join(dir, randomUUID()),
      machine: { id: name, boot: `${name}2`, name },
      leaseTimes: times,
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
    const one = await start('one', { lasts: 5_000, missed: 5_000, look: 50 });
    const waiting = start('two', { lasts: 5_000, missed: 5_000, look: 50 });
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
    const times = { lasts: 1_000, missed: 500, look: 50 };
    assert.ok(times.lasts < REPORT_EVERY_S * 1_000);
    const one = await start('one', times);
    const two = await start('two', times);
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
