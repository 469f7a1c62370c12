/** Time, injected: tests move it, products read it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** `2026-01-31 12:00:00.000000`, UTC: how DATETIME(6) columns are written and read. */
export function sqlTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23).replace('T', ' ')}000`;
}

/** The milliseconds since the epoch of a DATETIME column's text (UTC). */
export function sqlTimeToMs(text: string): number {
  return Date.parse(`${text.slice(0, 23).replace(' ', 'T')}Z`);
}
