import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import { assertStoreAgrees } from './backups.ts';
import { crashMysql, cutOff } from './blows.ts';
import { diagnose } from './diagnosis.ts';
import { encryptedType } from './encrypted.ts';
import { assertNothingLeft } from './inventory.ts';
import { randomFrom } from './random.ts';
import { Rig } from './rig.ts';
import { RECOVERY_MS } from './stage.ts';
import { starve } from './starve.ts';
import { careful, clients, copies, limited, movers, plain, secretive, servers, type User } from './users.ts';

const USERS: readonly User[] = [plain, plain, plain, plain, plain, plain];
const ALL_USERS: readonly User[] = [plain, copies, limited, servers, clients, movers, secretive, careful];
/** A new blow before the last one has been got over, as often as not. */
const BETWEEN_BLOWS_MS = 900;
const CUT_AT_MOST_S = 8;
const IN_MS = 20_000;
/** A guest may miss a request to let a disk go: the agent's patience with it is 160 s, and it may die on the way. */
const CALL_MS = 160_000 + 2 * RECOVERY_MS;

interface SoakOptions {
  readonly seed: number;
  readonly lastsMs: number;
  /** Also the flows and faults that take long. */
  readonly all?: boolean;
}

/**
 * Several users at work while processes and servers die at random. Nobody's call may end in anything but its end. The seed
 * determines each user's choices and the blows; what the timing makes of them it does not.
 */
export async function soak(rig: Rig, { seed, lastsMs, all = false }: SoakOptions): Promise<void> {
  const until = performance.now() + lastsMs;
  const done = { calls: 0, blows: 0 };
  // What several of them use is there before the first blow.
  if (all) await Promise.all([rig.limits(), encryptedType(rig)]);

  async function user(work: User, index: number): Promise<void> {
    const name = `user ${index}`;
    const random = randomFrom(seed + index + 1);
    while (performance.now() < until) {
      // MySQL may be away, and a dead API is called again.
      const choices = await work(rig, name).catch(() => []);
      const call = choices.length === 0 ? () => sleep(100) : random.pick<() => Promise<unknown>>(choices);
      await call().catch(() => sleep(100));
      done.calls += 1;
      await rig.until(`a call of ${name} ends (seed ${seed})`, () => rig.isResting(name), CALL_MS);
    }
  }

  async function reaper(): Promise<void> {
    const random = randomFrom(seed);
    const quick = [
      () => rig.kill('api'),
      () => rig.kill('conductor'),
      () => rig.kill('storage'),
      () => rig.kill('compute'),
      () => rig.stack.servers.crashRedis(),
      () => rig.redis.flushall(),
      () => rig.crashTgtdBetweenLogouts(),
    ];
    // Not libvirtd: killed again while it finds its guests again after a kill, in the midst of plugs, it lost one of them.
    const slow = [
      () => crashMysql(rig),
      () => cutOff(rig, 'storage', random.next() * CUT_AT_MOST_S),
      () => cutOff(rig, 'compute', random.next() * CUT_AT_MOST_S),
    ];
    while (performance.now() < until) {
      await sleep(random.next() * 2 * BETWEEN_BLOWS_MS);
      await random.pick<() => Promise<unknown>>(all ? [...quick, ...slow] : quick)();
      done.blows += 1;
    }
  }

  const ends = await Promise.allSettled([reaper(), ...(all ? ALL_USERS : USERS).map(user)]);
  console.log(`        seed ${seed}: ${done.calls} calls, ${done.blows} blows`);
  // All of them first: who is still at work would disturb what comes next.
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  // A retuned type's volumes are each an operation's, and a backup is no volume.
  await rig.until('all operations have ended', () => noneIsOpen(rig), CALL_MS);
  await assertNothingLeft(rig);
  const stuck = await rig.db
    .selectFrom('operations')
    .select(['kind', 'error'])
    .where('state', '=', 'stuck')
    .execute();
  assert.deepEqual(stuck, []);
}

async function noneIsOpen({ db }: Rig): Promise<boolean> {
  const open = await db
    .selectFrom('operations')
    .select('id')
    .where('state', 'in', OPEN_OPERATION_STATES)
    .executeTakeFirst();
  return open === undefined;
}

interface SoakAloneOptions {
  readonly seed: number;
  readonly lastsMs: number;
  /** Percent of the time for which the guest stands still, as on a host that has too much to do. */
  readonly slowGuest: number;
}

/** On a stage of its own; every so often all rest, and everything is counted and compared. */
export async function soakAlone({ seed, lastsMs, slowGuest }: SoakAloneOptions): Promise<void> {
  const rig = await Rig.start();
  const feed = slowGuest === 0 ? undefined : starve([await rig.guestPid()], slowGuest);
  try {
    const until = performance.now() + lastsMs;
    for (let round = 0; performance.now() < until; round++) {
      await soak(rig, {
        seed: seed + round * 1_000,
        lastsMs: Math.min(IN_MS, until - performance.now()),
        all: true,
      });
      await rig.anchor.verify();
      await rig.verifyBystander();
      await rig.verifyNoDrift();
      await assertStoreAgrees(rig);
    }
  } catch (error) {
    console.log(await diagnose(rig));
    throw error;
  } finally {
    await feed?.();
    await rig[Symbol.asyncDispose]();
  }
}
