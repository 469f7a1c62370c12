import assert from 'node:assert/strict';
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
/** Renewals of a machine that is at work come every `RENEWED`. */
const TIMES = { lasts: 2_000, missed: 800, look: 50 };
const RENEWED = 200;

describe("the lease on an agent's name", function () {
  this.timeout(60_000);
  let redis: ReturnType<typeof openRedis>;
  let key: string;
  let said: string[];

  const take = (machine: Machine, times = TIMES): Promise<Lease> =>
    takeLease({ redis, key, agent: 'storage.h1', machine, times, log: (line) => said.push(line) });
  /** Renewed as by a machine that is at work, until it is disposed of. */
  function atWork(lease: Lease): Disposable {
    const timer = setInterval(() => void lease.renew(), RENEWED);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
  /** How long it takes, in milliseconds. */
  async function took(work: Promise<unknown>): Promise<number> {
    const began = performance.now();
    await work;
    return performance.now() - began;
  }

  beforeEach(async () => {
    const { url, prefix } = await createRedis();
    redis = openRedis(url);
    key = leaseKey(prefix, 'storage', asId('h1'));
    said = [];
  });
  afterEach(() => redis.disconnect());

  it('is had at once again by the machine whose agent was killed', async () => {
    await take(ONE);
    assert.ok((await took(take(ONE))) < TIMES.missed);
    assert.deepEqual(said, []);
  });

  it('is not had by a second machine while the first renews it; the second says whose it is', async () => {
    const first = await take(ONE);
    const since = (await redis.get(key))?.split(' ')[2] ?? '';
    let second: Lease | undefined;
    const waiting = take(OTHER).then((lease) => {
      second = lease;
      return lease;
    });
    {
      using _ = atWork(first);
      await sleep(TIMES.lasts + 1_000);
      assert.equal(second, undefined);
      assert.match(
        said.join('\n'),
        /storage\.h1 is the agent of the machine one, since \d.* \(other\) takes no tasks/,
      );
      assert.ok(said[0]?.includes(since));
    }
    const lease = await waiting;
    // The first comes back.
    assert.equal(await first.sure(), false);
    assert.equal(await first.renew(), false);
    assert.match(
      await first.lost,
      /storage\.h1 is the agent of the machine other, since .* \(one\) takes no more/,
    );
    assert.equal(await lease.renew(), true);
  });

  it('passes to a second machine that has waited no sooner than after the whole silence', async () => {
    await take(ONE);
    assert.ok((await took(take(OTHER))) >= TIMES.lasts);
  });

  it('is had by the same machine after a reboot when a renewal or two have not come', async () => {
    await take(ONE);
    const ms = await took(take(ONE_REBOOTED));
    assert.ok(ms >= TIMES.missed && ms < TIMES.lasts, `${ms} ms`);
  });

  it('is not had by a clone of the machine while that is at work', async () => {
    const first = await take(ONE);
    using _ = atWork(first);
    const waiting = take(ONE_REBOOTED);
    await Promise.race([sleep(3 * TIMES.missed), waiting.then(() => assert.fail('two have it'))]);
    assert.equal(await first.renew(), true);
    // Given up: the clone need not wait for ever, nor does the test.
    await first.release();
    await waiting;
  });

  it('is free at once for any machine after a clean stop, and not given up by one that has lost it', async () => {
    const first = await take(ONE);
    await first.release();
    assert.equal(await redis.exists(key), 0);
    const second = await take(OTHER);
    assert.deepEqual(said, []);
    await first.release();
    assert.equal(await second.renew(), true);
    // What was under way when it was given up does not take it again.
    assert.equal(await first.renew(), false);
  });

  it('comes again with the next renewal when Redis has forgotten it, whoever waits for it', async () => {
    const first = await take(ONE);
    let renewing = atWork(first);
    const waiting = take(OTHER);
    const taken = waiting.then(() => assert.fail('two have it'));
    await sleep(4 * TIMES.look);
    await redis.del(key);
    await Promise.race([sleep(2 * RENEWED + 4 * TIMES.look), taken]);
    assert.match((await redis.get(key)) ?? '', /^a1 b1 /);
    // As after a restart of Redis, in which nobody could renew it.
    renewing[Symbol.dispose]();
    await redis.del(key);
    await Promise.race([sleep(TIMES.lasts / 2), taken]);
    renewing = atWork(first);
    await Promise.race([sleep(TIMES.lasts), taken]);
    renewing[Symbol.dispose]();
    taken.catch(() => undefined);
    await waiting;
  });

  it('is another machine’s, whatever is there', async () => {
    await redis.set(key, '\u001b[2J of somebody', 'PX', 500);
    await take(ONE, { ...TIMES, lasts: 500 });
    assert.match(said[0] ?? '', /storage\.h1 is the agent of another machine already/);
  });

  it('is told from this machine’s words, which do not leave it', async () => {
    const machine = await thisMachine();
    assert.deepEqual(machine, await thisMachine());
    assert.match(machine.id, /^[\da-f]{32}$/);
    assert.match(machine.boot, /^[\da-f]{32}$/);
    assert.notEqual(machine.id, machine.boot);
  });
});
