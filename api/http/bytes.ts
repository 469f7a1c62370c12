import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** A client that sends nothing, or reads nothing, for this long has gone. */
export const IDLE_MS = 120_000;
/** What a client that is refused may still send, so that it comes to read why. */
const DRAINED_BYTES = 16 * 1024 ** 2;
const DRAINED_MS = 5_000;

const streaming = new WeakSet<Socket>();

/** A request whose body its handler will read as it comes: it may take as long as it goes on coming. */
export function unread(request: IncomingMessage): IncomingMessage {
  const { socket } = request;
  streaming.add(socket);
  request.once('close', () => streaming.delete(socket));
  request.setTimeout(IDLE_MS, () => request.destroy(new Error('the client sent nothing for too long')));
  return request;
}

/** True when the server's time limit for one request, meant for short bodies, does not count on this connection now. */
export function mayTakeLong(socket: Socket): boolean {
  return streaming.has(socket);
}

/** Reads on, into nothing, to the body's end or to the end of patience. */
export async function drain(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DRAINED_MS);
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAINED_BYTES) resolve();
  });
  for (const end of ['end', 'close', 'error']) request.once(end, () => resolve());
  request.resume();
  await promise;
  clearTimeout(timer);
}
