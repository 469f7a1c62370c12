import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dataRuns } from '#images/data-runs.ts';
import { inBatches } from '#images/in-batches.ts';
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
  await inBatches(data, BATCH_BYTES, (batch, position) =>
    Promise.all([writeBatch(file, batch, position, zeroed), reach('image.fetching')]),
  );
  if (durable) await file.sync();
}

async function writeBatch(file: FileHandle, batch: Buffer, position: number, zeroed: boolean): Promise<void> {
  const runs = zeroed ? dataRuns(batch) : [[0, batch.length] as const];
  for (const [from, to] of runs) {
    for (let at = from; at < to; ) at += (await file.write(batch, at, to - at, position + at)).bytesWritten;
  }
}
