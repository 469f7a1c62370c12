import type { RequestContext } from '#api/http/context.ts';
import { ApiError, conflict, forbidden } from '#api/http/errors.ts';
import { BYTES, type Reply } from '#api/http/route.ts';
import { findImage, type ImageRow } from '../images/rows.ts';
import { filesOf } from './files.ts';

/** Large enough that reading is not the bottleneck, small enough for many downloads at once. */
const PIECE_BYTES = 256 * 1024;

/** Sends an image's data, or the one range of it that was asked for (RFC 9110, 14). */
export async function downloadData(context: RequestContext, id: string): Promise<Reply> {
  const image = await findImage(context, id);
  const { size } = image;
  if (image.status === 'deactivated' && !context.caller.isAdmin) {
    throw forbidden('The requested image has been deactivated. Image data download is forbidden.');
  }
  if (image.status === 'queued') return { status: 204 };
  if (size === null || (image.status !== 'active' && image.status !== 'deactivated')) {
    throw conflict(`Image ${image.id} is ${image.status}: it has no data yet.`);
  }
  const range = readRange(context.range, size);
  const file = await filesOf(context)
    .read(image.id)
    .catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new ApiError(404, `The data of image ${image.id} are missing.`) : error;
    });
  const [start, end] = range ?? [0, size - 1];
  return {
    status: range === undefined ? 200 : 206,
    stream: file.createReadStream({ start, end, highWaterMark: PIECE_BYTES }),
    headers: {
      'Content-Type': BYTES,
      'Content-Length': String(end - start + 1),
      'Accept-Ranges': 'bytes',
      ...(range === undefined ? digest(image) : { 'Content-Range': `bytes ${start}-${end}/${size}` }),
    },
  };
}

/** In hexadecimal, as Glance's clients read it. */
function digest({ checksum }: ImageRow): Record<string, string> {
  return checksum === null ? {} : { 'Content-MD5': checksum };
}

/** First and last byte; undefined for all. @throws ApiError 416 for a range that lies beyond the end. */
function readRange(header: string | undefined, size: number): [number, number] | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start <= end) return [start, end];
  throw new ApiError(416, 'The requested range lies beyond the end of the data.', {
    'Content-Range': `bytes */${size}`,
  });
}
