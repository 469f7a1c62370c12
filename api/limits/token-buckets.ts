import type { Clock } from '#schema/clock.ts';

/** So many a second in the long run, so many at once after a while of quiet. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right. */
  at: number;
}

/** Keys beyond this are looked through for full buckets, which say nothing. */
const TIDY_ABOVE = 10_000;

/** One token bucket per key: it fills at the rate, up to the burst, and each request takes one. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  #tidyAbove = TIDY_ABOVE;

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Takes one. @returns 0, or in how many seconds there will be one (whole, at least 1). */
  take(key: string): number {
    const bucket = this.#filled(key);
    if (bucket.tokens < 1) return this.#seconds(bucket);
    bucket.tokens -= 1;
    return 0;
  }

  /** The same without taking one. */
  look(key: string): number {
    const bucket = this.#buckets.has(key) ? this.#filled(key) : undefined;
    return bucket === undefined || bucket.tokens >= 1 ? 0 : this.#seconds(bucket);
  }

  #seconds(bucket: Bucket): number {
    return Math.max(1, Math.ceil((1 - bucket.tokens) / this.#rate.perSecond));
  }

  #filled(key: string): Bucket {
    const now = this.#clock.now();
    const { perSecond, burst } = this.#rate;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: burst, at: now };
      this.#buckets.set(key, bucket);
      if (this.#buckets.size > this.#tidyAbove) this.#tidy(now);
    }
    // A clock that was set back takes nothing away.
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
    return bucket;
  }

  #tidy(now: number): void {
    const { perSecond, burst } = this.#rate;
    for (const [key, { tokens, at }] of this.#buckets) {
      if (tokens + ((now - at) / 1_000) * perSecond >= burst) this.#buckets.delete(key);
    }
    this.#tidyAbove = Math.max(TIDY_ABOVE, this.#buckets.size * 2);
  }
}
