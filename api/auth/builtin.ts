import type { Caller } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { BuiltinIdentity } from '#api/identity/builtin/service.ts';
import type { Session } from '#api/identity/builtin/session.ts';
import { type Authenticator, callerOf } from './authenticator.ts';

/** Tokens that the api has given out itself. */
export function createBuiltinAuthenticator({ directory }: BuiltinIdentity): Authenticator {
  const find = async (token: string): Promise<Caller | undefined> => {
    const session = await directory.session(token);
    return session && callerOfSession(session);
  };
  return {
    async authenticate({ headers }) {
      const token = headers['x-auth-token'];
      const caller = typeof token === 'string' && token !== '' ? await find(token) : undefined;
      if (caller !== undefined) return caller;
      throw new ApiError(401, 'The request you have made requires authentication.', {
        'WWW-Authenticate': 'Keystone uri="/identity"',
      });
    },
    isAdminToken: async (token) => (await find(token))?.isAdmin === true,
  };
}

function callerOfSession({ user, scope, roles }: Session): Caller {
  const project = scope.type === 'project' ? scope.project.id : '';
  return callerOf(
    project,
    user.id,
    roles.map(({ name }) => name),
    scope.type,
  );
}
