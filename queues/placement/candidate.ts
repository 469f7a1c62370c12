import type { HostName, PoolName } from '#schema/ids.ts';
import type { Described } from './capabilities.ts';

/** A pool as placement sees it: what its agent reported, and the state of its service. */
export interface Candidate extends Described {
  readonly name: PoolName;
  readonly agent: HostName;
  /** False when the agent's newest report no longer has this pool. */
  readonly reported: boolean;
  readonly disabledReason: string | null;
  /** Milliseconds since the epoch. */
  readonly lastSeen: number;
}

/** What the volume asks for. */
export interface Wanted {
  readonly sizeGib: number;
  /** Any of them will do. */
  readonly zones: readonly string[];
  readonly extraSpecs: Readonly<Record<string, string>>;
  /** The only one that will do: where the volume's source lies. */
  readonly pool?: PoolName | undefined;
  /** One that will not do: where the volume lies now. */
  readonly except?: PoolName | undefined;
}

/** What may still be promised there, in GiB: real room for thick pools, over-subscribed room for thin ones. */
export function roomGib(pool: Candidate): number {
  const reserved = (pool.totalGib * pool.reservedPercentage) / 100;
  if (!pool.thin) return Math.min(pool.totalGib - reserved - pool.allocatedGib, pool.freeGib - reserved);
  return (pool.totalGib - reserved) * pool.maxOverSubscriptionRatio - pool.allocatedGib;
}
