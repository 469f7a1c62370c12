import type { IncomingMessage } from 'node:http';
import type { Caller, CallerScope } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Clock } from '#schema/clock.ts';
import { type Authenticator, callerOf } from '../authenticator.ts';
import { createKeystoneClient, type Validated } from './client.ts';
import { Remembered } from './remembered.ts';
import type { KeystoneOptions } from './settings.ts';

/** Tokens that a Keystone has given out, which it is asked about. */
export function createKeystoneAuthenticator(
  { account, cacheMs, roles }: KeystoneOptions,
  clock: Clock,
): Authenticator {
  const client = createKeystoneClient(account, () => clock.now());
  const remembered = new Remembered<Validated>(clock);

  /** @param late for a token that may have run out, because a service vouches for it. */
  const find = (token: string, late: boolean): Promise<Validated | undefined> =>
    remembered.get(late ? `late ${token}` : token, async () => {
      const value = await client.validate(token, late);
      const until = clock.now() + cacheMs;
      const expires = Date.parse(value?.expires_at ?? '');
      return { value, until: late || Number.isNaN(expires) ? until : Math.min(until, expires) };
    });

  /**
   * Whether a service vouches for the user's token. A good token of somebody who is no service says nothing; one that is not good refuses
   * the request, whoever the user is (both as in keystonemiddleware).
   */
  const isVouchedFor = async (request: IncomingMessage): Promise<boolean> => {
    if ((request.headers['x-service-token'] ?? '') === '') return false;
    const token = header(request, 'x-service-token');
    const service = token === undefined ? undefined : await find(token, false);
    if (service === undefined) throw refused();
    return service.roles.some(({ name }) => roles.service.includes(name));
  };
  const refused = (): ApiError =>
    new ApiError(401, 'The request you have made requires authentication.', {
      'WWW-Authenticate': `Keystone uri="${account.authUrl}"`,
    });

  const toCaller = (validated: Validated): Caller => {
    const names = validated.roles.map(({ name }) => name);
    const ours = (['admin', 'member', 'reader', 'service'] as const).filter((role) =>
      roles[role].some((name) => names.includes(name)),
    );
    return callerOf(validated.project?.id ?? '', validated.user.id, ours, scopeOf(validated));
  };

  return {
    async authenticate(request) {
      const token = header(request, 'x-auth-token');
      if (token !== undefined) {
        const validated = await find(token, await isVouchedFor(request));
        if (validated !== undefined) return toCaller(validated);
      }
      throw refused();
    },
    async isAdminToken(token) {
      const validated = token === '' ? undefined : await find(token, false).catch(() => undefined);
      return validated !== undefined && toCaller(validated).isAdmin;
    },
  };
}

/** @returns undefined for none, and for what cannot be a token. */
function header({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : undefined;
}

function scopeOf({ project, domain, system }: Validated): CallerScope {
  if (project !== undefined) return 'project';
  if (domain !== undefined) return 'domain';
  return system?.all === true ? 'system' : 'none';
}
