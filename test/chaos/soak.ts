import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VolumeStatus } from '#schema/states.ts';
import { crashMysql, cutOff } from './blows.ts';
import { diagnose } from './diagnosis.ts';
import { assertNothingLeft } from './inventory.ts';
import { randomFrom } from './random.ts';
import { Rig } from './rig.ts';
import { RECOVERY_MS } from './stage.ts';
import { starve } from './starve.ts';

const USERS = 6;
/** A new blow before the last one has been got over, as often as not. */
const BETWEEN_BLOWS_MS = 900;
const SIZE_AT_MOST = 3;
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
  const work = all
    ? [plain, copies, plain, servers, clients, plain]
    : Array.from({ length: USERS }, () => plain);

  async function user(index: number): Promise<void> {
    const name = `user ${index}`;
    const random = randomFrom(seed + index + 1);
    while (performance.now() < until) {
      // MySQL may be away, and a dead API is called again.
      const choices = await work[index % work.length]!(rig, name).catch(() => [() => sleep(100)]);
      await random
        .pick<() => Promise<unknown>>(choices)()
        .catch(() => sleep(100));
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

  const ends = await Promise.allSettled([
    reaper(),
    ...Array.from({ length: USERS }, (_, index) => user(index)),
  ]);
  console.log(`        seed ${seed}: ${done.calls} calls, ${done.blows} blows`);
  // All of them first: who is still at work would disturb what comes next.
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  await assertNothingLeft(rig);
  const stuck = await rig.db
    .selectFrom('operations')
    .select(['kind', 'error'])
    .where('state', '=', 'stuck')
    .execute();
  assert.deepEqual(stuck, []);
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
    }
  } catch (error) {
    console.log(await diagnose(rig));
    throw error;
  } finally {
    await feed?.();
    await rig[Symbol.asyncDispose]();
  }
}

type Choices = readonly (() => Promise<unknown>)[];

/** Volumes that come, grow, are attached and go. */
async function plain(rig: Rig, name: string): Promise<Choices> {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const grow = (): Promise<unknown> => rig.extend(volume.id, volume.size_gib + 1);
  const mayGrow = volume.size_gib < SIZE_AT_MOST ? [grow] : [];
  const attach = (): Promise<unknown> => rig.attach(volume.id);
  const calls: Partial<Record<VolumeStatus, Choices>> = {
    available: [attach, attach, () => rig.delete(volume.id), ...mayGrow],
    'in-use': [() => rig.detach(volume.id), ...mayGrow],
    error: [() => rig.delete(volume.id)],
  };
  return calls[volume.status] ?? [];
}

/** Volumes made from images and snapshots of them. */
async function copies(rig: Rig, name: string): Promise<Choices> {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name, { imageRef: rig.image }), () => rig.create(name)];
  const remove = (): Promise<unknown> => rig.delete(volume.id);
  if (volume.status !== 'available') return [remove];
  const snapshots = await rig.snapshotsOf(volume.id);
  return [
    () => rig.call('POST', rig.path('snapshots'), { snapshot: { volume_id: volume.id, name } }),
    ...snapshots.map((id) => () => rig.call('DELETE', rig.path(`snapshots/${id}`))),
    ...(snapshots.length === 0 ? [remove] : []),
  ];
}

/** Volumes that clients connect to by themselves. */
async function clients(rig: Rig, name: string): Promise<Choices> {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const attachments = await rig.attachmentsOf(volume.id);
  if (attachments.length > 0)
    return attachments.map((id) => () => rig.call('DELETE', rig.path(`attachments/${id}`)));
  return [() => rig.lend(volume.id), () => rig.lend(volume.id), () => rig.delete(volume.id)];
}

/** A server that boots from a volume. */
async function servers(rig: Rig, name: string): Promise<Choices> {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const server = (await rig.servers()).at(0);
  if (server === undefined) {
    if (volume.status !== 'available') return [() => rig.delete(volume.id)];
    return [() => rig.bootFrom(volume.id)];
  }
  const path = `/compute/v2.1/servers/${server.id}`;
  return [
    () => rig.call('DELETE', path),
    () => rig.call('POST', `${path}/action`, { reboot: { type: 'HARD' } }),
  ];
}
