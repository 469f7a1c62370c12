/** No thin pool has smaller chunks; less would only cost time. */
const GRAIN_BYTES = 64 * 1024;
const ZEROES = Buffer.alloc(GRAIN_BYTES);

/** The stretches of a batch, in whole grains, that hold anything but zeroes. */
export function dataRuns(batch: Buffer): (readonly [from: number, to: number])[] {
  const runs: [number, number][] = [];
  for (let from = 0; from < batch.length; from += GRAIN_BYTES) {
    const to = Math.min(from + GRAIN_BYTES, batch.length);
    if (batch.compare(ZEROES, 0, to - from, from, to) === 0) continue;
    const last = runs.at(-1);
    if (last?.[1] === from) last[1] = to;
    else runs.push([from, to]);
  }
  return runs;
}
