import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { giveBack } from '#images/give-back.ts';
import { HEAD_BYTES } from '#images/inspect.ts';
import { type ImageSource, TaskError } from '#schema/tasks.ts';

/** An image's data on their way, checked as they pass. */
export interface CheckedData {
  /** The first HEAD_BYTES; all there is when the image is shorter. */
  readonly head: Buffer;
  /**
   * All data from the beginning, once. A piece is valid until the next one is asked for.
   * @throws TaskError `invalid` at the end when size or digest is not what the image service has on record.
   */
  all(): AsyncGenerator<Buffer, void>;
}

/** Reads the head; the rest waits until it is asked for. */
export async function checkedData(source: ImageSource, stream: Readable): Promise<CheckedData> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first: Buffer[] = [];
  let length = 0;
  while (length < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    first.push(next.value);
    length += next.value.length;
  }
  const start = Buffer.concat(first);
  return {
    head: start.subarray(0, HEAD_BYTES),
    async *all() {
      const expected = source.sha512 ?? source.md5;
      const hash = expected === null ? null : createHash(source.sha512 === null ? 'md5' : 'sha512');
      let size = 0;
      const pass = (chunk: Buffer): Buffer => {
        size += chunk.length;
        // Before it is written anywhere: the target's room was reckoned with the size on record.
        if (size > source.sizeBytes) throw wrongSize();
        hash?.update(chunk);
        return chunk;
      };
      yield pass(start);
      for (;;) {
        const next = await chunks.next();
        if (next.done === true) break;
        yield pass(next.value);
        giveBack(next.value);
      }
      if (size !== source.sizeBytes) throw wrongSize();
      if (hash !== null && hash.digest('hex') !== expected?.toLowerCase())
        throw new TaskError('invalid', 'the image’s data do not match its checksum');
    },
  };
}

function wrongSize(): TaskError {
  return new TaskError(
    'invalid',
    'the image’s data do not have the size that the image service has on record',
  );
}
