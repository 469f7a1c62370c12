import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { plain } from './address.ts';

export interface ConnectionLimits {
  /** Open at once; what comes on top is closed at once. */
  readonly total: number;
  /** Of these from one address, trusted proxies apart. */
  readonly perAddress: number;
  readonly proxies: readonly string[];
}

/** Keeps one address from taking all connections, and all addresses from taking all of the process's descriptors. */
export function limitConnections(server: Server, { total, perAddress, proxies }: ConnectionLimits): void {
  server.maxConnections = total;
  const trusted = new Set(proxies);
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = plain(socket.remoteAddress);
    if (trusted.has(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    if (count > perAddress) socket.destroy();
  });
}
