/** What one round measured. */
export interface Round {
  /** Milliseconds of each operation, as the client saw it. */
  readonly latencies: readonly number[];
  readonly perSecond: number;
}

/** Runs `operation` `count` times from `concurrency` clients at once, each beginning anew as soon as it is done. */
export async function load(
  concurrency: number,
  count: number,
  operation: (index: number) => Promise<void>,
): Promise<Round> {
  const latencies: number[] = [];
  let next = 0;
  const began = performance.now();
  const one = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const start = performance.now();
      await operation(index);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return { latencies, perSecond: (count * 1_000) / (performance.now() - began) };
}
