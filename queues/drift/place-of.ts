import { type PoolParts, poolParts } from '#schema/pools.ts';
import type { VolumeRow } from './rows.ts';

/** Where a volume lies; null for one that has no place. */
export function placeOf({ pool }: Pick<VolumeRow, 'pool'>): PoolParts | null {
  return pool === null ? null : poolParts(pool);
}
