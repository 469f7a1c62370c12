import assert from 'node:assert/strict';
import type { z } from 'zod';
import { tokenReply } from '#api/identity/auth/schema.ts';
import { documents } from '#api/routes.ts';
import { findRoute } from './api.ts';

/** The login is no line of the table. */
const LOGIN = 'POST /identity/v3/auth/tokens';

/**
 * As the global one, for requests that the tests' api cannot be asked to send: without a token, with broken bodies, to a second api.
 * An answer is held to what its route describes; one of no route (the dashboard's) is let through as it is.
 */
export const heldFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { method } = new Request(input, { method: init?.method ?? 'GET' });
  const { pathname } = new URL(response.url);
  const replies = repliesOf(method, pathname, init?.body);
  if (replies === undefined) return response;
  const { status } = response;
  const asked = `${method} ${pathname} ${status}`;
  const schema = replies[status];
  if (schema === null) assert.equal(await response.clone().text(), '', `${asked} has a body`);
  else if (response.headers.get('content-type')?.startsWith('application/json')) {
    const body: unknown = await response.clone().json();
    if (schema === undefined) checkRefusal(asked, status, body);
    else schema.parse(body);
  } else assert.ok(schema !== undefined || status >= 400, `${asked} is not described`);
  return response;
};

function repliesOf(
  method: string,
  path: string,
  body: unknown,
): Readonly<Record<number, z.ZodType | null>> | undefined {
  if (`${method} ${path}` === LOGIN) return { 201: tokenReply };
  if (method === 'GET' && documents.has(path)) return documents.get(path)?.replies;
  return findRoute(method, path, keyed(body))?.replies;
}

/** A body that is no JSON selects no action. */
function keyed(body: unknown): unknown {
  if (typeof body !== 'string') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Those before routing have no request id: Keystone's middleware writes them, in its own words. */
function checkRefusal(asked: string, status: number, body: unknown): void {
  assert.ok(status >= 400, `${asked} is not described`);
  const [fault, ...rest] = Object.values(body as Record<string, { code?: unknown; message?: unknown }>);
  assert.equal(rest.length, 0, asked);
  assert.equal(fault?.code, status, asked);
  assert.ok(typeof fault.message === 'string' && fault.message !== '', asked);
}
