/** The slowest disk that a copy is waited for: agents allow their programs, and conductors their agents, this much time. */
export const SLOWEST_BYTES_PER_S = 10_000_000;

/** Node's timers hold no more milliseconds (24.8 days): one that is set for longer goes off at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
