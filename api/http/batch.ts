/**
 * Joins lookups by id that arrive together into one query: those of one turn of the event loop, and while as many
 * queries as allowed are under way, those that arrive meanwhile. A lookup's query always starts after its call, so it
 * sees every change committed before.
 */
export class BatchLoader<V> {
  readonly #fetch: (ids: readonly string[]) => Promise<ReadonlyMap<string, V>>;
  readonly #maxInFlight: number;
  #waiting: Waiting<V>[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(fetch: (ids: readonly string[]) => Promise<ReadonlyMap<string, V>>, maxInFlight: number) {
    this.#fetch = fetch;
    this.#maxInFlight = maxInFlight;
  }

  /** @returns undefined when there is no such row. */
  load(id: string): Promise<V | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#maxInFlight || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, MAX_BATCH);
    this.#inFlight++;
    try {
      const found = await this.#fetch([...new Set(batch.map((item) => item.id))]);
      for (const item of batch) item.resolve(found.get(item.id));
    } catch (error) {
      for (const item of batch) item.reject(error);
    } finally {
      this.#inFlight--;
      this.#schedule();
    }
  }
}

interface Waiting<V> {
  readonly id: string;
  readonly resolve: (value: V | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** Keeps one query's text and answer of a bounded size. */
const MAX_BATCH = 200;
