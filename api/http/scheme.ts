import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

/** How the client has come here, for links back. */
export function schemeOf({ socket }: Pick<IncomingMessage, 'socket'>): 'http' | 'https' {
  return socket instanceof TLSSocket ? 'https' : 'http';
}
