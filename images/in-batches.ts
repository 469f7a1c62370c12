/**
 * Writes data in batches, of which one is written while the next one fills: two are in memory.
 * @param write begins to write a batch that belongs at this offset (bytes); the batch is another's once that has ended.
 * @throws what `data` or `write` throws, and only when nothing is being written any more.
 */
export async function inBatches(
  data: AsyncIterable<Buffer>,
  batchBytes: number,
  write: (batch: Buffer, position: number) => Promise<unknown>,
): Promise<void> {
  let [filling, spare] = [Buffer.allocUnsafe(batchBytes), Buffer.allocUnsafe(batchBytes)];
  let [length, position] = [0, 0];
  let writing: Promise<unknown> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    writing = write(filling.subarray(0, length), position);
    // Awaited before the next batch and at the end; until then a failure must not count as unhandled.
    writing.catch(() => {});
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
        if (length === batchBytes) await flush();
      }
    }
    await flush();
  } finally {
    await writing;
  }
}
