import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Caller } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { type Authenticator, callerOf } from './authenticator.ts';

const name = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/);
const entry = z
  .strictObject({
    token: z.string().min(8).optional(),
    /** Hexadecimal, so that the file need not hold the token itself. */
    token_sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i)
      .optional(),
    project_id: name,
    user_id: name,
    roles: z.array(z.enum(['admin', 'member', 'reader'])).min(1),
  })
  .refine((item) => (item.token === undefined) !== (item.token_sha256 === undefined), {
    error: 'exactly one of token and token_sha256',
  });

interface Known {
  readonly digest: Buffer;
  readonly caller: Caller;
}

export interface TokenAuthenticator extends Authenticator {
  /** @param header `X-Auth-Token`. @returns undefined for somebody else's, or none. */
  find(header: string | string[] | undefined): Caller | undefined;
}

/**
 * Static tokens, sent as `X-Auth-Token`.
 * @param text the tokens file: a JSON array of `{ token | token_sha256, project_id, user_id, roles }`.
 * @throws Error naming the entry and field that is wrong, never the token.
 */
export function createTokenAuthenticator(text: string): TokenAuthenticator {
  const known: Known[] = parse(text).map((item) => ({
    digest: item.token === undefined ? Buffer.from(item.token_sha256 ?? '', 'hex') : sha256(item.token),
    caller: callerOf(item.project_id, item.user_id, item.roles),
  }));
  const find = (token: string | string[] | undefined): Caller | undefined => {
    if (typeof token !== 'string') return undefined;
    const digest = sha256(token);
    let found: Caller | undefined;
    // Every entry is compared, in constant time each: how long it takes says nothing about which came close.
    for (const item of known) if (timingSafeEqual(item.digest, digest)) found = item.caller;
    return found;
  };
  return {
    find,
    authenticate(request) {
      const caller = find(request.headers['x-auth-token']);
      if (caller !== undefined) return caller;
      throw new ApiError(401, 'The request you have made requires authentication.', {
        'WWW-Authenticate': 'X-Auth-Token realm="blockyard"',
      });
    },
    isAdminToken: (token) => find(token)?.isAdmin === true,
  };
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

function parse(text: string): z.infer<typeof entry>[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('not JSON');
  }
  const result = z.array(entry).safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error(`entry ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong'}`);
}
