import type { IncomingMessage } from 'node:http';
import { ApiError, malformedBody } from './errors.ts';

/** Cinder's `osapi_max_request_body_size`. */
const MAX_BODY_BYTES = 114_688;
/** Deeper than anything a client has reason to send; keeps recursive code off the stack's end. */
const MAX_DEPTH = 32;
const MEDIA_TYPES = ['application/json', 'application/vnd.openstack.volume+json'] as const;
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads and parses a request's body.
 * @param mediaTypes those that are taken.
 * @returns undefined when there is none, or (as in Cinder) when nothing says that it is JSON.
 * @throws ApiError 413 above 112 KiB, 415 for another media type, 400 for what is not clean JSON.
 */
export async function readJsonBody(
  request: IncomingMessage,
  mediaTypes: readonly string[] = MEDIA_TYPES,
): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  const contentType = request.headers['content-type'];
  if (contentType === undefined) return undefined;
  // Nothing is unpacked here, however small it says that it is.
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') throw new ApiError(415, 'Unsupported Content-Encoding');
  if (!mediaTypes.includes(mediaType(contentType))) throw new ApiError(415, 'Unsupported Content-Type');
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    throw malformedBody();
  }
  if (!isClean(value)) throw malformedBody();
  return value;
}

/** A Content-Type without its parameters. */
export function mediaType(header: string): string {
  const end = header.indexOf(';');
  return (end === -1 ? header : header.slice(0, end)).trim().toLowerCase();
}

function readBytes(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length']) > MAX_BODY_BYTES) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(tooLarge());
    });
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('aborted', () => reject(new Error('the client went away')));
  });
}

const tooLarge = (): ApiError =>
  new ApiError(413, `Request is too large. Larger than max_request_body_size (${MAX_BODY_BYTES}).`, {
    Connection: 'close',
  });

/** No lone surrogates (MySQL would change them), no `__proto__` key, no depth that recursion could not bear. */
export function isClean(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isClean(item, depth - 1));
  return Object.entries(value).every(
    ([key, item]) => key !== '__proto__' && key.isWellFormed() && isClean(item, depth - 1),
  );
}
