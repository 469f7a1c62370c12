import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Request {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** What is sent, and its length in bytes. */
  readonly body?: { readonly data: Readable; readonly sizeBytes: number };
}

/** Silence of the other side, in either direction, that ends a request. */
const SILENCE_MS = 120_000;

/**
 * One HTTP request; data flow through it and are never held. A redirect is not followed: it would carry the permission in the headers
 * elsewhere.
 * @returns the answer, whatever its status, with its body still to be read or destroyed.
 */
export async function send({ method, url, headers, signal, body }: Request): Promise<IncomingMessage> {
  const make = url.startsWith('https:') ? tlsRequest : plainRequest;
  const length = body === undefined ? {} : { 'content-length': String(body.sizeBytes) };
  const sent = make(url, { method, headers: { ...headers, ...length }, signal, agent: false });
  sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error('the image service has fallen silent')));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
  });
  if (body === undefined) {
    sent.end();
    return answered;
  }
  // A server that refuses answers before it has read everything: its answer says more than the broken pipe.
  const writing = pipeline(body.data, sent, { end: true });
  const failed = writing.then(
    () => answered,
    async (error: unknown) => await Promise.race([answered, rejectSoon(error)]),
  );
  return Promise.race([answered, failed]);
}

async function rejectSoon(error: unknown): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  throw error;
}
