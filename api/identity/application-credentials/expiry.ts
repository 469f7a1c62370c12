import { badRequest } from '#api/http/errors.ts';

const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)Z?$/;

/**
 * When a credential runs out, of what a client has sent: ISO 8601 in UTC, with or without the Z.
 * @returns milliseconds since the epoch; null for never.
 * @throws ApiError 400
 */
export function expiry(text: string | null | undefined, now: number): number | null {
  if (text == null || text === '') return null;
  const [, time = ''] = ISO.exec(text) ?? [];
  const at = Date.parse(`${time}Z`);
  if (Number.isNaN(at)) throw badRequest('Timestamp not in expected format.');
  if (at <= now) throw badRequest("The 'expires_at' must not be before now.");
  return at;
}
