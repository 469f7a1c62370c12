import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { dataRuns } from '#images/data-runs.ts';
import { giveBack } from '#images/give-back.ts';
import { inBatches } from '#images/in-batches.ts';
import { HEAD_BYTES, imageProblem, inspectImage } from '#images/inspect.ts';
import type { DiskFormat } from '#schema/tasks.ts';

/** What the data are said to be. */
interface Declared {
  readonly format: DiskFormat;
  /** An encrypted volume's. */
  readonly encrypted: boolean;
}

export interface Received {
  readonly size: number;
  /** Bytes that the disk inside has; null when its format doesn't say. */
  readonly virtualSize: number | null;
  readonly md5: string;
  readonly sha512: string;
}

/** What is written and hashed at once: a few milliseconds in which nobody else is answered. */
const BATCH_BYTES = 512 * 1024;

/**
 * Writes a body to a file as it comes, and looks at what it is: two batches at a time are in memory, one is written while the next one
 * comes, and while the disk is slow the sender waits. Grains of zeroes become holes.
 * @param file new and empty.
 * @throws ApiError 413 beyond `maxBytes` or when the disk is full, 400 when the data are not of the declared format or
 * could harm whoever uses them. The body is not read further then.
 */
export async function receive(
  body: Readable,
  file: FileHandle,
  { format: declared, encrypted }: Declared,
  maxBytes: number,
): Promise<Received> {
  const md5 = createHash('md5');
  const sha512 = createHash('sha512');
  let head: Buffer[] | undefined = [];
  let size = 0;
  let virtualSize: number | null = null;
  const inspect = (chunks: readonly Buffer[]): void => {
    const bytes = Buffer.concat(chunks).subarray(0, HEAD_BYTES);
    const problem = imageProblem(bytes, declared, encrypted);
    if (problem !== null) throw badRequest(`Image data refused: ${problem}.`);
    virtualSize = encrypted ? null : inspectImage(bytes).virtualSizeBytes;
    head = undefined;
  };
  async function* inspected(): AsyncGenerator<Buffer> {
    // The connection outlives a refusal: the sender is to be told.
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      head?.push(chunk);
      if (head !== undefined && size >= HEAD_BYTES) inspect(head);
      yield chunk;
      // Those of the head are still to be looked at.
      if (head === undefined) giveBack(chunk);
    }
    if (head !== undefined) inspect(head);
  }

  await inBatches(inspected(), BATCH_BYTES, (batch, position) => {
    const written = writeData(file, batch, position);
    md5.update(batch);
    sha512.update(batch);
    return written;
  });
  await file.truncate(size).catch(diskFull);
  await file.sync().catch(diskFull);
  return {
    size,
    virtualSize: virtualSize ?? (declared === 'raw' ? size : null),
    md5: md5.digest('hex'),
    sha512: sha512.digest('hex'),
  };
}

async function writeData(file: FileHandle, batch: Buffer, position: number): Promise<void> {
  const runs = dataRuns(batch);
  // A file that grows is one that somebody sends: janitor.ts takes others for given up.
  if (runs.length === 0) await file.truncate(position + batch.length).catch(diskFull);
  for (const [from, to] of runs) {
    for (let at = from; at < to; ) {
      const { bytesWritten } = await file.write(batch, at, to - at, position + at).catch(diskFull);
      at += bytesWritten;
    }
  }
}

export function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, `Image data must not exceed ${maxBytes} bytes.`);
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function diskFull(error: NodeJS.ErrnoException): never {
  if (!FULL.has(error.code ?? '')) throw error;
  throw new ApiError(413, 'There is not enough disk space where images are kept.');
}
