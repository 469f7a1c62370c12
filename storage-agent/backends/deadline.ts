/** The slowest disk that is waited for, in bytes per millisecond: 10 MB/s. */
const SLOWEST = 10_000;
const LEAST_MS = 600_000;

/** How long writing this much may take. */
export function copyDeadlineMs(sizeBytes: number): number {
  return Math.max(LEAST_MS, Math.ceil(sizeBytes / SLOWEST));
}
