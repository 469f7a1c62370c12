import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, takeLease } from '#agent/lease.ts';
import { type Machine, thisMachine } from '#agent/machine.ts';
import { leaseKey } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { asId } from '#schema/ids.ts';
import { createRedis } from '../support/redis.ts';

const ONE: Machine = { id: 'a1', boot: 'b1', name: 'one' };
const ONE_REBOOTED: Machine = { ...ONE, boot: 'b2' };
const OTHER: Machine = { id: 'a2', boot: 'b3', name: 'other' };
const TIMES = { lasts: 2_000, missed: 800, renew: 200, look: 50 };

describe("the lease on an agent's name", function () {
  this.timeout(60_000);
  let place: Awaited<ReturnType<typeof createRedis>>;
  let key: string;
  let said: string[];
  const connections: ReturnType<typeof openRedis>[] = [];

  function connect(): ReturnType<typeof openRedis> {
    const redis = openRedis(place.url);
    connections.push(redis);
    return redis;
  }
  const take = (machine: Machine, redis = connect(), times = TIMES): Promise<Lease> =>
    takeLease({ redis, key, agent: 'storage.h1', machine, times, log: (line) => said.push(line) });
  /** Takes it and dies. */
  async function takeAndDie(machine: Machine): Promise<void> {
    const redis = connect();
    await take(machine, redis);
    redis.disconnect();
  }
  /** In milliseconds. */
  async function took(work: Promise<unknown>): Promise<number> {
    const began = performance.now();
    await work;
    return performance.now() - began;
  }
  /** Waits for what must come before a lease is taken. */
  const before = (taken: Promise<unknown>, sooner: Promise<unknown>): Promise<unknown> =>
    Promise.race([sooner, taken.then(() => assert.fail('it was taken'))]);
  const neither = (ms: number, taken: Promise<unknown>): Promise<unknown> => before(taken, sleep(ms));

  beforeEach(async () => {
    place = await createRedis();
    key = leaseKey(place.prefix, 'storage', asId('h1'));
    said = [];
  });
  afterEach(() => {
    for (const redis of connections.splice(0)) redis.disconnect();
  });

  it('is had again at once by the machine whose agent was killed', async () => {
    await takeAndDie(ONE);
    await take(ONE);
    // Who waits says so first.
    assert.deepEqual(said, []);
  });

  it('is not had by a second machine while the first renews it, and passes when that is cut off, which then learns of it', async () => {
    const redis = connect();
    const first = await take(ONE, redis);
    const since = (await connect().get(key))?.split(' ')[2] ?? '';
    const waiting = take(OTHER);
    await neither(TIMES.lasts + 1_000, waiting);
    assert.match(said[0] ?? '', /storage\.h1 is the agent of the machine one, since \d.* \(other\) takes no/);
    assert.ok(said[0]?.includes(since));
    redis.disconnect();
    const second = await waiting;
    await Promise.all([once(redis, 'ready'), redis.connect()]);
    assert.equal(await first.sure(), false);
    assert.match(
      await first.lost,
      /storage\.h1 is the agent of the machine other, since .* \(one\) takes no/,
    );
    assert.equal(await second.sure(), true);
    assert.match((await redis.get(key)) ?? '', /^a2 b3 /);
  });

  it('passes to a second machine no sooner than after the whole silence', async () => {
    await takeAndDie(ONE);
    assert.ok((await took(take(OTHER))) > TIMES.lasts - TIMES.look);
  });

  it('is had by the same machine after a reboot when a few renewals have not come', async () => {
    await takeAndDie(ONE);
    const others = take(OTHER);
    assert.ok((await took(before(others, take(ONE_REBOOTED)))) > TIMES.missed - TIMES.look);
  });

  it('is not had by a clone of the machine while that is at work, nor while it is only started anew', async () => {
    const first = await take(ONE);
    const waiting = take(ONE_REBOOTED);
    await neither(2 * TIMES.missed, waiting);
    assert.equal(await first.sure(), true);
    await first.release();
    // The whole silence, from the last renewal on, and not the shorter one after a reboot.
    assert.ok((await took(waiting)) > TIMES.missed);
  });

  it('is free at once for any machine after a clean stop, and is not given up by one that has lost it', async () => {
    const first = await take(ONE);
    await first.release();
    assert.equal(await connect().exists(key), 0);
    await take(OTHER);
    assert.deepEqual(said, []);
    await first.release();
    assert.match((await connect().get(key)) ?? '', /^a2 b3 /);
  });

  it('comes again with the next renewal when Redis has forgotten it, whoever waits for it', async () => {
    const redis = connect();
    await take(ONE, redis);
    const waiting = take(OTHER);
    await neither(4 * TIMES.look, waiting);
    await connect().del(key);
    await neither(2 * TIMES.renew + 4 * TIMES.look, waiting);
    assert.match((await connect().get(key)) ?? '', /^a1 b1 /);
    // As when Redis comes back empty, and the holder finds it a while later.
    redis.disconnect();
    await connect().del(key);
    await neither(TIMES.lasts / 2, waiting);
    await redis.connect();
    await neither(TIMES.lasts, waiting);
    redis.disconnect();
    await waiting;
  });

  it('is another machine’s, whatever is there', async () => {
    await connect().set(key, '\u001b[2J of somebody', 'PX', 500);
    await take(ONE, connect(), { ...TIMES, lasts: 500 });
    assert.match(said[0] ?? '', /storage\.h1 is the agent of another machine already/);
  });

  it('tells machines apart without telling their own words', async () => {
    const machine = await thisMachine();
    assert.deepEqual(machine, await thisMachine());
    assert.match(machine.id, /^[\da-f]{32}$/);
    assert.match(machine.boot, /^[\da-f]{32}$/);
    assert.notEqual(machine.id, machine.boot);
  });
});
