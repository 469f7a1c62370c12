import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Whose request this is: the connection's other end, or what a trusted proxy says it is. Only the entry that the proxy
 * itself has added counts, which is the last one; the others are the client's own words.
 */
export function addressOf(request: IncomingMessage, proxies: ReadonlySet<string>): string {
  const peer = plain(request.socket.remoteAddress);
  if (!proxies.has(peer)) return peer;
  const header = request.headers['x-forwarded-for'];
  const told = (Array.isArray(header) ? header.join(',') : header)?.split(',').at(-1)?.trim() ?? '';
  return isIP(told) === 0 ? peer : told;
}

/** IPv4 as it is, also where an IPv6 socket took the connection. */
export function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
