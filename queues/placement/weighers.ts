import { type Candidate, roomGib } from './candidate.ts';

/** How much each thing counts; 0 leaves it out. Negative prefers the opposite. */
export interface Weights {
  /** Room left: more is better, so volumes spread (Cinder's CapacityWeigher). */
  readonly capacity: number;
  /** GiB promised already: less is better. */
  readonly allocated: number;
  /** Number of volumes: fewer is better. */
  readonly volumes: number;
}

export const DEFAULT_WEIGHTS: Weights = { capacity: 1, allocated: 0, volumes: 0 };

/** Best first. Each measure is scaled to 0…1 over the candidates, as Cinder's weighers do; ties go by name. */
export function byWeight(pools: readonly Candidate[], weights: Weights): Candidate[] {
  const capacity = scaled(pools, roomGib);
  const allocated = scaled(pools, (pool) => -pool.allocatedGib);
  const volumes = scaled(pools, (pool) => -pool.volumeCount);
  const score = (pool: Candidate): number =>
    weights.capacity * capacity(pool) + weights.allocated * allocated(pool) + weights.volumes * volumes(pool);
  return pools.toSorted((a, b) => score(b) - score(a) || (a.name < b.name ? -1 : 1));
}

function scaled(
  pools: readonly Candidate[],
  measure: (pool: Candidate) => number,
): (pool: Candidate) => number {
  const values = pools.map(measure);
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  return span === 0 ? () => 0 : (pool) => (measure(pool) - low) / span;
}
