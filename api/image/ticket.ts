import type { IncomingMessage } from 'node:http';
import { callerOf } from '#api/auth/authenticator.ts';
import type { App, Caller } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { type ImageAction, TICKET_HEADER } from '#images/ticket.ts';

const AGENT = callerOf('', 'storage-agent', ['admin']);

/** True for a storage agent that has shown a ticket. */
export function isAgent(caller: Caller): boolean {
  return caller.userId === AGENT.userId && caller.projectId === AGENT.projectId;
}

const ACTIONS: Readonly<Record<string, ImageAction>> = { GET: 'read', HEAD: 'read', PUT: 'write' };

/**
 * Who shows a ticket for the data that the request is about, and for nothing else.
 * @throws ApiError 401 when it is not valid for this, or has run out.
 */
export function ticketBearer(
  app: App,
  request: IncomingMessage,
  segments: readonly string[],
): Caller | undefined {
  const ticket = request.headers[TICKET_HEADER];
  if (typeof ticket !== 'string') return undefined;
  const [collection, id = '', what, ...rest] = segments;
  const action = ACTIONS[request.method ?? ''];
  const fits = collection === 'images' && what === 'file' && rest.length === 0 && action !== undefined;
  if (fits && app.images.holder(ticket, id, action) !== null) return AGENT;
  throw new ApiError(401, 'The image ticket is not valid for this request, or has run out.');
}
