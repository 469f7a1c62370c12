import { z } from 'zod';
import { ApiError } from '#api/http/errors.ts';
import { type KeystoneAccount, keystoneTokens } from '#images/keystone.ts';
import { limited } from '#queues/limited.ts';

const named = z.looseObject({ id: z.string() });

/** What counts here of Keystone's "Validate and show information for token". */
const validated = z.looseObject({
  token: z.looseObject({
    user: named,
    project: named.optional(),
    domain: named.optional(),
    system: z.looseObject({ all: z.boolean() }).optional(),
    roles: z.array(z.looseObject({ name: z.string() })).default([]),
    expires_at: z.string(),
  }),
});
export type Validated = z.infer<typeof validated>['token'];

export interface KeystoneClient {
  /**
   * @param allowExpired for a service that goes on with a user's request after that user's token has run out.
   * @returns undefined for a token that Keystone does not know (any more).
   * @throws ApiError 503 when Keystone does not say.
   */
  validate(token: string, allowExpired: boolean): Promise<Validated | undefined>;
}

const PATIENCE_MS = 10_000;
const AT_ONCE = 32;

/** @param now milliseconds since the epoch */
export function createKeystoneClient(account: KeystoneAccount, now: () => number): KeystoneClient {
  const own = keystoneTokens(account, now);
  const inTurn = limited(AT_ONCE);

  const ask = async (token: string, allowExpired: boolean): Promise<Response> => {
    const query = allowExpired ? 'nocatalog&allow_expired=1' : 'nocatalog';
    return fetch(`${account.authUrl}/auth/tokens?${query}`, {
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: { 'X-Auth-Token': await own.get(), 'X-Subject-Token': token },
    });
  };

  /** Once more where our own token was refused: Keystone may have begun anew. */
  const askTwice = async (token: string, allowExpired: boolean): Promise<Response> => {
    const answer = await ask(token, allowExpired);
    if (answer.status !== 401) return answer;
    await answer.body?.cancel();
    own.forget();
    return ask(token, allowExpired);
  };

  const validate: KeystoneClient['validate'] = async (token, allowExpired) => {
    const answer = await askTwice(token, allowExpired).catch(() => undefined);
    if (answer === undefined) throw away();
    if (answer.status === 200) {
      const result = validated.safeParse(await answer.json().catch(() => undefined));
      if (result.success) return result.data.token;
      throw away();
    }
    await answer.body?.cancel();
    if (answer.status === 404) return undefined;
    throw away();
  };

  return { validate: (token, allowExpired) => inTurn(() => validate(token, allowExpired)) };
}

const away = (): ApiError =>
  new ApiError(503, 'The Keystone service is temporarily unavailable.', { 'Retry-After': '5' });
