import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VolumeStatus } from '#schema/states.ts';
import { assertNothingLeft } from './inventory.ts';
import { RECOVERY_MS, type Rig } from './rig.ts';

const USERS = 6;
const LASTS_MS = 20_000;
/** A new blow before the last one has been got over, as often as not. */
const BETWEEN_BLOWS_MS = 900;
const SIZE_AT_MOST = 3;
/** A guest may miss a request to let a disk go: the agent's patience with it is 160 s, and it may die on the way. */
const CALL_MS = 160_000 + 2 * RECOVERY_MS;

/** Several users at work while processes, Redis and the target die at random. Nobody's call may end in anything but its end. */
export async function chaos(rig: Rig, seed: number): Promise<void> {
  const random = generator(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const until = performance.now() + LASTS_MS;
  const done = { calls: 0, blows: 0 };

  async function user(name: string): Promise<void> {
    while (performance.now() < until) {
      const volume = await rig.named(name);
      const grow = (): Promise<unknown> => rig.extend(volume!.id, volume!.size_gib + 1);
      const mayGrow = volume !== undefined && volume.size_gib < SIZE_AT_MOST ? [grow] : [];
      const calls: Partial<Record<VolumeStatus, readonly (() => Promise<unknown>)[]>> = {
        available: [
          () => rig.attach(volume!.id),
          () => rig.attach(volume!.id),
          () => rig.delete(volume!.id),
          ...mayGrow,
        ],
        'in-use': [() => rig.detach(volume!.id), ...mayGrow],
        error: [() => rig.delete(volume!.id)],
      };
      const call = volume === undefined ? () => rig.create(name) : pick(calls[volume.status] ?? []);
      // A dead API is called again.
      await call().catch(() => sleep(100));
      done.calls += 1;
      await rig.until(`a call of ${name} ends (seed ${seed})`, () => rig.isResting(name), CALL_MS);
    }
  }

  async function reaper(): Promise<void> {
    const blows = [
      () => rig.kill('api'),
      () => rig.kill('conductor'),
      () => rig.kill('storage'),
      () => rig.kill('compute'),
      () => rig.stack.servers.crashRedis(),
      () => rig.redis.flushall(),
      () => rig.crashTgtdBetweenLogouts(),
    ];
    while (performance.now() < until) {
      await sleep(random() * 2 * BETWEEN_BLOWS_MS);
      await pick(blows)();
      done.blows += 1;
    }
  }

  const ends = await Promise.allSettled([
    reaper(),
    ...Array.from({ length: USERS }, (_, index) => user(`user ${index}`)),
  ]);
  // All of them first: who is still at work would disturb what comes next.
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  console.log(`        seed ${seed}: ${done.calls} calls, ${done.blows} blows`);
  await assertNothingLeft(rig);
  const stuck = await rig.db
    .selectFrom('operations')
    .select(['kind', 'error'])
    .where('state', '=', 'stuck')
    .execute();
  assert.deepEqual(stuck, []);
}

/** Numbers from 0 to 1 that the seed determines (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
