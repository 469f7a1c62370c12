import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dataRuns } from '#images/data-runs.ts';
import { reach } from '#queues/stopping-points.ts';

/** What is written at once. */
const BATCH_BYTES = 4 * 1024 ** 2;

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
  const runs = zeroed ? dataRuns(batch) : [[0, batch.length] as const];
  for (const [from, to] of runs) {
    for (let at = from; at < to; ) at += (await file.write(batch, at, to - at, position + at)).bytesWritten;
  }
}
