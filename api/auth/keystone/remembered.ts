import { createHash } from 'node:crypto';
import type { Clock } from '#schema/clock.ts';

interface Entry<T> {
  /** Undefined: good for nothing. */
  readonly value: T | undefined;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

const MOST_GOOD = 10_000;
/** Apart from the good ones, so that guesses do not push those out. */
const MOST_BAD = 1_000;

/**
 * What was found out about tokens, for a while. It keeps hashes, not tokens; those that were used longest ago go first.
 * Who asks about a token that somebody else is asking about gets the same answer.
 */
export class Remembered<T> {
  readonly #clock: Clock;
  readonly #good = new Map<string, Entry<T>>();
  readonly #bad = new Map<string, Entry<T>>();
  readonly #asking = new Map<string, Promise<Entry<T>>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param find also says until when its answer holds. What it throws is not remembered. */
  async get(token: string, find: () => Promise<Entry<T>>): Promise<T | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#take(this.#good, key) ?? this.#take(this.#bad, key);
    if (known !== undefined) return known.value;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = find().finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    const entry = await asking;
    if (entry.value === undefined) put(this.#bad, key, entry, MOST_BAD);
    else put(this.#good, key, entry, MOST_GOOD);
    return entry.value;
  }

  /** Puts it at the end of the line, or throws it away when its time is over. */
  #take(entries: Map<string, Entry<T>>, key: string): Entry<T> | undefined {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    entries.delete(key);
    if (entry.until <= this.#clock.now()) return undefined;
    entries.set(key, entry);
    return entry;
  }
}

function put<T>(entries: Map<string, Entry<T>>, key: string, entry: Entry<T>, most: number): void {
  entries.set(key, entry);
  const [oldest] = entries.keys();
  if (entries.size > most && oldest !== undefined) entries.delete(oldest);
}
