import { DOWN_AFTER_S } from '#schema/reports.ts';
import { crashLibvirtd, crashMysql, cutOff } from './blows.ts';
import type { Rig } from './rig.ts';
import type { Place } from './stops.ts';

interface When {
  /** Of the process that has stopped. */
  readonly pid: number;
  /** How much Redis had written before the call. */
  readonly aofBytes: number;
}

interface FaultOptions {
  readonly strike: (rig: Rig, when: When) => Promise<unknown>;
  /** Column of the matrix. */
  readonly short: string;
  /** Seconds that it lasts by itself. */
  readonly lastsS?: number;
  /** Places at which it is not tried, and why. */
  readonly not?: (place: Place) => string | null;
}

/** Longer than a queue's lock, so that what a host was at is given to it again. */
const CUT_S = 8;
/** Longer than a host may be silent before it counts as down: `BLOCKYARD_SERVICE_DOWN_S` makes it less. */
const DOWN_S = DOWN_AFTER_S + 5;

/**
 * QEMU's initiator drops the logout that it was at when it reconnects, and QEMU waits for it without end: whoever uses
 * libiscsi (never in production) has a guest to reset then. libiscsi 1.19, QEMU 7.2.
 */
const noLogout = (place: Place): string | null =>
  place.startsWith('detach.requested')
    ? 'QEMU may be in the midst of a logout, which libiscsi never ends then'
    : null;

/** What is done to a stack whose operation has stopped somewhere. */
export const FAULTS = {
  'kill -9 of the process there': { short: 'self', strike: (rig, { pid }) => rig.kill(rig.nameOf(pid)) },
  'kill -9 of api': { short: 'api', strike: (rig) => rig.kill('api') },
  'kill -9 of conductor': { short: 'cond', strike: (rig) => rig.kill('conductor') },
  'kill -9 of both agents': {
    short: 'agents',
    strike: (rig) => Promise.all([rig.kill('storage'), rig.kill('compute')]),
  },
  'kill -9 of all and Redis': {
    short: 'all',
    strike: (rig) =>
      Promise.all([
        ...(['api', 'conductor', 'storage', 'compute'] as const).map((name) => rig.kill(name)),
        rig.stack.servers.crashRedis(),
      ]),
  },
  'kill -9 of Redis': { short: 'redis', strike: (rig) => rig.stack.servers.crashRedis() },
  FLUSHALL: { short: 'flush', strike: (rig) => rig.redis.flushall() },
  'Redis back to before the call': { short: 'aof', strike: (rig, { aofBytes }) => rig.forgetSince(aofBytes) },
  'kill -9 of MySQL': { short: 'mysql', strike: crashMysql },
  'kill -9 of libvirtd': { short: 'virt', strike: crashLibvirtd },
  'kill -9 of the target': { short: 'tgt', strike: (rig) => rig.crashTgtd(), not: noLogout },
  'storage host cut off': { short: 'scut', lastsS: CUT_S, strike: (rig) => cutOff(rig, 'storage', CUT_S) },
  'compute host cut off': { short: 'ccut', lastsS: CUT_S, strike: (rig) => cutOff(rig, 'compute', CUT_S) },
  'storage host down': {
    short: 'sdown',
    lastsS: DOWN_S,
    strike: (rig) => cutOff(rig, 'storage', DOWN_S),
  },
  'compute host down': {
    short: 'cdown',
    lastsS: DOWN_S,
    strike: (rig) => cutOff(rig, 'compute', DOWN_S),
  },
} as const satisfies Record<string, FaultOptions>;

export type Fault = keyof typeof FAULTS;

export const FAULT_NAMES = Object.keys(FAULTS) as Fault[];

/** The same, as the general type. */
export function faultOptions(fault: Fault): FaultOptions {
  return FAULTS[fault];
}
