import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { parseInput } from '#api/http/validation.ts';
import { logIn } from '../builtin/login.ts';
import type { BuiltinIdentity } from '../builtin/service.ts';
import { credentialsOf, loginBody } from '../builtin/wire.ts';
import { unauthorized } from '../errors.ts';
import { tokenView } from './token-view.ts';

/**
 * Keystone's `POST /auth/tokens`: by password or token, for a project, a domain, the system, or nothing yet; by application
 * credential for its project.
 */
export async function passwordLogin(
  context: Omit<RequestContext, 'caller'>,
  identity: BuiltinIdentity,
  sent: unknown,
): Promise<Reply> {
  const { auth } = parseInput(loginBody, sent, 'keystone');
  const credentials = credentialsOf({ auth });
  if (credentials === 'unsupported')
    throw new ApiError(401, 'Attempted to authenticate with an unsupported method.');
  if (credentials === undefined) throw unauthorized();
  if (credentials.applicationCredential !== undefined && auth.scope !== undefined)
    throw new ApiError(
      401,
      'Error authenticating with application credential: Application credentials cannot request a scope.',
    );
  const { db, clock } = context.app;
  const { token, session } = await logIn({ db, clock, identity }, credentials, auth.scope);
  return {
    status: 201,
    headers: { 'X-Subject-Token': token },
    body: { token: tokenView(context, session) },
  };
}
