import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Session } from '../builtin/session.ts';
import { catalogOf } from '../catalog.ts';
import { domainView } from '../domains/handlers.ts';
import { forbidden } from '../errors.ts';
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
    headers: { 'X-Subject-Token': token },
    body: { token: tokenView(context, session) },
  };
}

/** Ends it now: one's own, or anybody's for administrators. */
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
  action: 'validate_token' | 'revoke_token',
): Promise<{ readonly session: Session; readonly token: string }> {
  const { caller, token: own, subjectToken: token } = context;
  const serves = action === 'validate_token' && caller.roles.includes('service');
  const allowed = mayAdminister(caller) || serves || own === token;
  const session = token === undefined ? undefined : await identityOf(context).directory.session(token);
  const mine = session !== undefined && session.user.id === caller.userId;
  if (!allowed && !mine) throw forbidden(`identity:${action}`);
  if (session === undefined || token === undefined)
    throw new ApiError(404, token === undefined ? 'No token in the request' : 'Failed to validate token');
  return { session, token };
}

/** @throws ApiError 403 for a token without a project, which finds its catalog in itself, as in Keystone */
export async function showCatalog(context: RequestContext): Promise<Reply> {
  const project = projectOf(await sessionOf(context));
  if (project === undefined)
    throw new ApiError(403, 'You are not authorized to perform the requested action.');
  const links = { self: `${context.selfUrl}/auth/catalog` };
  return { status: 200, body: { catalog: catalogOf(context, project), links } };
}

export async function listOwnProjects(context: RequestContext): Promise<Reply> {
  const { user } = await sessionOf(context);
  return { status: 200, body: await projectsOf(context, user.id, '/auth/projects') };
}

export async function listOwnDomains(context: RequestContext): Promise<Reply> {
  const { user } = await sessionOf(context);
  const rows = await context.app.db
    .selectFrom('identity_domains as domain')
    .selectAll()
    .where('domain.id', 'in', (from) =>
      from.selectFrom(grantsOf(context.app.db, user.id)).select('scope_id').where('scope', '=', 'domain'),
    )
    .where('domain.enabled', '=', 1)
    .orderBy('domain.name')
    .execute();
  const domains = rows.map((row) => domainView(context, row));
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
  return { status: 200, body: { system, links: { self: `${context.selfUrl}/auth/system` } } };
}
