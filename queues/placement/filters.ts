import { DOWN_AFTER_S } from '#schema/reports.ts';
import { type Candidate, roomGib, type Wanted } from './candidate.ts';
import { unmetSpec } from './extra-specs.ts';

/** Says why a pool will not do, in words for the user; null when it will. */
type Filter = (pool: Candidate, wanted: Wanted, now: number) => string | null;

const serviceUp: Filter = (pool, _wanted, now) => {
  const silent = Math.round((now - pool.lastSeen) / 1_000);
  return silent > DOWN_AFTER_S ? `its service is down (last heard of ${silent} s ago)` : null;
};

const serviceEnabled: Filter = ({ disabledReason }) =>
  disabledReason === null
    ? null
    : `its service is disabled${disabledReason === '' ? '' : ` (${disabledReason})`}`;

const reported: Filter = (pool) => (pool.reported ? null : 'its agent no longer reports it');

const zone: Filter = (pool, wanted) =>
  wanted.zones.includes(pool.availabilityZone)
    ? null
    : `it is in availability zone ${pool.availabilityZone}, not ${wanted.zones.join(' or ')}`;

const capabilities: Filter = (pool, wanted) => unmetSpec(pool, wanted.extraSpecs);

const capacity: Filter = (pool, { sizeGib }) => {
  const room = roomGib(pool);
  if (sizeGib > room) return `it has room for ${gib(room)}, not for ${sizeGib} GiB`;
  // A thin pool promises more than it has, but a single volume must fit in what is really there (as in Cinder).
  return pool.thin && sizeGib > pool.totalGib ? `its whole size is ${gib(pool.totalGib)}` : null;
};

const FILTERS: readonly Filter[] = [serviceUp, serviceEnabled, reported, zone, capabilities, capacity];

/** The first reason against this pool, or null. */
export function refusal(pool: Candidate, wanted: Wanted, now: number): string | null {
  for (const filter of FILTERS) {
    const reason = filter(pool, wanted, now);
    if (reason !== null) return reason;
  }
  return null;
}

/** As `refusal`, for what lies there already: only what the type asks for counts. */
export function unsuited(pool: Candidate, wanted: Wanted, now: number): string | null {
  return zone(pool, wanted, now) ?? capabilities(pool, wanted, now);
}

function gib(value: number): string {
  return `${Math.max(0, Math.floor(value * 100) / 100)} GiB`;
}
