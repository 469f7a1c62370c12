import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { reach } from '#queues/stopping-points.ts';

/** What is written at once. */
const BATCH_BYTES = 4 * 1024 ** 2;
/** No thin pool has smaller chunks; less would only cost time. */
const GRAIN_BYTES = 64 * 1024;
const ZEROES = Buffer.alloc(GRAIN_BYTES);

/**
 * Writes data to the beginning of a device or file in batches, of which one is written while the next one fills.
 * @param durable it is on the disk at the end, not only on its way there.
 * @param zeroed the target shows zeroes already: grains of zeroes are left out, so that what is thin stays thin.
 */
export async function writeRaw(
  data: AsyncIterable<Buffer>,
  path: string,
  { zeroed, durable }: { readonly zeroed: boolean; readonly durable: boolean },
): Promise<void> {
  await using file = await open(path, constants.O_RDWR);
  let [filling, spare] = [Buffer.allocUnsafe(BATCH_BYTES), Buffer.allocUnsafe(BATCH_BYTES)];
  let [length, position] = [0, 0];
  let writing = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    writing = writeBatch(file, filling.subarray(0, length), position, zeroed);
    // Awaited before the next batch and at the end; until then a failure must not count as unhandled.
    writing.catch(() => {});
    await reach('image.fetching');
    position += length;
    length = 0;
    [filling, spare] = [spare, filling];
  };
  try {
    for await (const chunk of data) {
      for (let from = 0; from < chunk.length; ) {
        const copied = chunk.copy(filling, length, from);
        from += copied;
        length += copied;
        if (length === BATCH_BYTES) await flush();
      }
    }
    await flush();
  } finally {
    await writing;
  }
  if (durable) await file.sync();
}

async function writeBatch(file: FileHandle, batch: Buffer, position: number, zeroed: boolean): Promise<void> {
  const runs = zeroed ? written(batch) : [[0, batch.length] as const];
  for (const [from, to] of runs) {
    for (let at = from; at < to; ) at += (await file.write(batch, at, to - at, position + at)).bytesWritten;
  }
}

/** The stretches that hold anything but zeroes. */
function written(batch: Buffer): (readonly [from: number, to: number])[] {
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
