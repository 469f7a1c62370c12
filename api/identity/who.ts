import type { Caller, RequestContext } from '#api/http/context.ts';
import type { Session } from './builtin/session.ts';
import { forbidden, unauthorized } from './errors.ts';
import { identityOf } from './fields.ts';

/** Users, projects and roles are administered by whoever administers the system, or any project of it, as in Keystone. */
export function mayAdminister({ roles, scope }: Caller): boolean {
  return roles.includes('admin') && (scope === 'project' || scope === 'system');
}

/** @throws ApiError 403 for anybody but the user and administrators. */
export function checkOwn({ caller }: RequestContext, user: string, action: string): void {
  if (caller.userId !== user && !mayAdminister(caller)) throw forbidden(`identity:${action}`);
}

/** The caller's own. @throws ApiError 401 for one whose token is not from here. */
export async function sessionOf(context: RequestContext): Promise<Session> {
  const { token } = context;
  const session = token === undefined ? undefined : await identityOf(context).directory.session(token);
  if (session === undefined) throw unauthorized();
  return session;
}
