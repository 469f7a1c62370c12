import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Request {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** PEM of the authority that the server's certificate must be signed by. */
  readonly ca?: string | undefined;
  /** What is sent, and its length in bytes. */
  readonly body?: { readonly data: Readable; readonly sizeBytes: number } | undefined;
}

/** How long a server may take to refuse what is announced. */
const EARLY_ANSWER_MS = 500;
/** Silence of the other side, in either direction, that ends a request. */
const SILENCE_MS = 300_000;

/**
 * One HTTP request; data flow through it and are never held. A redirect is not followed: it would carry the permission in the headers
 * elsewhere.
 * @returns the answer, whatever its status, with its body still to be read or destroyed.
 */
export async function send({ method, url, headers, signal, body, ca }: Request): Promise<IncomingMessage> {
  const make = url.startsWith('https:') ? tlsRequest : plainRequest;
  const length = body === undefined ? {} : { 'content-length': String(body.sizeBytes) };
  const tls = { ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.2' as const };
  const sent = make(url, { method, headers: { ...headers, ...length }, signal, agent: false, ...tls });
  sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error('the image service has fallen silent')));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    // More than one may come; after the answer they reach its reader.
    sent.on('error', reject);
  });
  if (body === undefined) {
    sent.end();
    return answered;
  }
  // What cannot even be opened fails before anybody reads it.
  const unreadable = new Promise<never>((_, reject) => {
    body.data.on('error', reject);
  });
  try {
    sent.flushHeaders();
    // A server that does not want the data says so at once, and closes: its answer would be lost in the broken pipe.
    const early = await Promise.race([answered, unreadable, sleep(EARLY_ANSWER_MS, null)]);
    if (early !== null) {
      sent.destroy();
      return early;
    }
    const [answer] = await Promise.all([answered, pipeline(body.data, sent)]);
    return answer;
  } catch (error) {
    sent.destroy();
    throw error;
  } finally {
    body.data.destroy();
  }
}
