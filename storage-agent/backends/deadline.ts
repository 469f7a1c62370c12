import { LONGEST_TIMER_MS, SLOWEST_BYTES_PER_S } from '#schema/copying.ts';

const LEAST_MS = 600_000;

/** How long writing this much may take. */
export function copyDeadlineMs(sizeBytes: number): number {
  const ms = Math.ceil((sizeBytes * 1_000) / SLOWEST_BYTES_PER_S);
  return Math.min(Math.max(LEAST_MS, ms), LONGEST_TIMER_MS);
}
