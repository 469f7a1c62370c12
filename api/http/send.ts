import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline, Writable } from 'node:stream';
import { giveBack } from '#images/give-back.ts';
import { IDLE_MS } from './bytes.ts';
import type { Reply } from './route.ts';

/**
 * Sends a reply; a HEAD request gets its headers alone (Node drops the body).
 * @param readWithinMs how long a client has to read a reply that is no stream.
 */
export function send(response: ServerResponse, reply: Reply, requestId: string, readWithinMs: number): void {
  const text = reply.json ?? (reply.body === undefined ? '' : JSON.stringify(reply.body));
  const headers: OutgoingHttpHeaders = {
    'x-openstack-request-id': requestId,
    'x-compute-request-id': requestId,
    ...reply.headers,
  };
  // What is left of a long body is not waited for.
  if (!response.req.complete && hasBody(response)) headers['Connection'] = 'close';
  if (reply.stream !== undefined) return sendStream(response, reply.status, headers, reply.stream);
  if (text !== '') headers['Content-Type'] ??= 'application/json';
  if (reply.status !== 204) headers['Content-Length'] = Buffer.byteLength(text);
  response.writeHead(reply.status, headers).end(text);
  // Most replies are the kernel's by now. A reader who takes its time keeps the rest in memory, and not for long.
  if (response.writableLength > 0) giveUpOn(response, readWithinMs);
}

function giveUpOn(response: ServerResponse, readWithinMs: number): void {
  const timer = setTimeout(() => response.destroy(), readWithinMs).unref();
  response.once('close', () => clearTimeout(timer));
}

function hasBody({ req: { headers } }: ServerResponse): boolean {
  return Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;
}

function sendStream(
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  stream: NonNullable<Reply['stream']>,
): void {
  response.writeHead(status, headers);
  if (response.req.method === 'HEAD') {
    stream.destroy();
    response.end();
    return;
  }
  response.setTimeout(IDLE_MS, () => response.destroy());
  // Whichever of the two fails takes the other with it: a body that is cut short is the only way left to tell.
  pipeline(stream, into(response), () => undefined);
}

/** Takes pieces that are nobody else's: each one's memory is given back once the kernel has its bytes. */
function into(response: ServerResponse): Writable {
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      response.write(piece, (error) => {
        giveBack(piece);
        done(error);
      });
    },
    final(done) {
      response.end(done);
    },
    destroy(error, done) {
      // One that is out has let go of its connection, which the next request may use.
      if (error !== null) response.destroy();
      done(error);
    },
  });
  response.once('close', () => sink.destroy());
  return sink;
}
