import { SLOWEST_BYTES_PER_S } from '#schema/copying.ts';
import type { BackupRow, VolumeRow } from './facts.ts';

/** For what an image service or a backup store may be slow with, however small it is. */
const LEAST_S = 6 * 3_600;
/** What agents do at most, each in its own time: copy, then read both sides again to compare them. */
const PASSES = 3;
const GIB = 2 ** 30;

/** Seconds that an agent has for copying a volume's data, from wherever they are: never fewer than it allows its own programs. */
export function fillWithinS({
  volume,
  backup,
}: {
  readonly volume: Pick<VolumeRow, 'size_gib'> | null;
  readonly backup: Pick<BackupRow, 'size_gib'> | null;
}): number {
  const sizeGib = volume?.size_gib ?? backup?.size_gib ?? 0;
  return Math.max(LEAST_S, Math.ceil((PASSES * sizeGib * GIB) / SLOWEST_BYTES_PER_S));
}
