import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Session } from '../builtin/session.ts';
import { catalogOf } from '../catalog.ts';
import { forbidden, notFound } from '../errors.ts';
import { identityOf, linksOf } from '../fields.ts';
import { grantsOf } from '../grants.ts';
import { projectsOf } from '../users/handlers.ts';
import { mayAdminister, sessionOf } from '../who.ts';
import { projectOf, tokenView } from './token-view.ts';

/** Of the token in `X-Subject-Token`: one's own, or anybody's for administrators and services. */
export async function showToken(context: RequestContext): Promise<Reply> {
  const { session, token } = await subject(context, 'validate_token');
  return {
    status: 200,
    headers: { 'X-Subject-Token': token, Vary: 'X-Auth-Token' },
    body: { token: tokenView(context, session) },
  };
}

/** Ends it now. */
export async function revokeToken(context: RequestContext): Promise<Reply> {
  const { session } = await subject(context, 'revoke_token');
  const { clock } = context.app;
  const [audit_id = ''] = session.claims.audit;
  await identityOf(context).change(async (trx) => {
    await trx
      .deleteFrom('identity_revocations')
      .where('expires_at', '<', sqlTime(clock.now()))
      .limit(100)
      .execute();
    await trx
      .insertInto('identity_revocations')
      .ignore()
      .values({ audit_id, expires_at: sqlTime(session.claims.expires + 1_000) })
      .execute();
  });
  return { status: 204 };
}

/** @throws ApiError 404 for a token that is good for nothing, 403 for somebody else's. */
async function subject(
  context: RequestContext,
  action: string,
): Promise<{ readonly session: Session; readonly token: string }> {
  const { caller, token: own, subjectToken: token } = context;
  const allowed = mayAdminister(caller) || caller.roles.includes('service') || own === token;
  const session = token === undefined ? undefined : await identityOf(context).directory.session(token);
  const mine = session !== undefined && session.user.id === caller.userId;
  if (!allowed && !mine) throw forbidden(`identity:${action}`);
  if (session === undefined || token === undefined) throw notFound('token', 'it is not valid');
  return { session, token };
}

export async function showCatalog(context: RequestContext): Promise<Reply> {
  const session = await sessionOf(context);
  const catalog = session.scope.type === 'none' ? [] : catalogOf(context, projectOf(session));
  return { status: 200, body: { catalog, links: linksOf(context, '/auth/catalog') } };
}

export async function listOwnProjects(context: RequestContext): Promise<Reply> {
  const { user } = await sessionOf(context);
  return { status: 200, body: await projectsOf(context, user.id, '/auth/projects') };
}

export async function listOwnDomains(context: RequestContext): Promise<Reply> {
  const { user } = await sessionOf(context);
  const rows = await context.app.db
    .selectFrom('identity_domains as domain')
    .innerJoin(grantsOf(context.app.db, user.id), 'assignment.scope_id', 'domain.id')
    .select(['domain.id', 'domain.name', 'domain.description'])
    .distinct()
    .where('assignment.scope', '=', 'domain')
    .where('domain.enabled', '=', 1)
    .orderBy('domain.name')
    .execute();
  const domains = rows.map((row) => ({ ...row, enabled: true }));
  return { status: 200, body: { domains, links: linksOf(context, '/auth/domains') } };
}

export async function listOwnSystem(context: RequestContext): Promise<Reply> {
  const { user } = await sessionOf(context);
  const row = await context.app.db
    .selectFrom(grantsOf(context.app.db, user.id))
    .select('role_id')
    .where('scope', '=', 'system')
    .executeTakeFirst();
  const system = row === undefined ? [] : [{ all: true }];
  return { status: 200, body: { system, links: linksOf(context, '/auth/system') } };
}
