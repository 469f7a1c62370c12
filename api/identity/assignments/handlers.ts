import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { IdentityAssignmentsTable } from '#schema/tables.ts';
import { findDomain } from '../domains/handlers.ts';
import { notFound } from '../errors.ts';
import { identityOf, linksOf } from '../fields.ts';
import { findProject } from '../projects/handlers.ts';
import { findRole, roleView } from '../roles/handlers.ts';
import { findUser } from '../users/handlers.ts';

type Scope = IdentityAssignmentsTable['scope'];

interface OfUser {
  readonly scope_id?: string | undefined;
  readonly user_id: string;
}
interface OfRole extends OfUser {
  readonly role_id: string;
}

export async function listOf(context: RequestContext, scope: Scope, params: OfUser): Promise<Reply> {
  const { scope_id, user_id } = await found(context, scope, params);
  const rows = await context.app.db
    .selectFrom('identity_assignments as assignment')
    .innerJoin('identity_roles as role', 'role.id', 'assignment.role_id')
    .selectAll('role')
    .where('user_id', '=', user_id)
    .where('scope', '=', scope)
    .where('scope_id', '=', scope_id)
    .orderBy('role.name')
    .execute();
  const path = scope === 'system' ? '/system' : `/${scope}s/${scope_id}`;
  return {
    status: 200,
    body: {
      roles: rows.map((row) => roleView(context, row)),
      links: linksOf(context, `${path}/users/${user_id}/roles`),
    },
  };
}

export async function checkAssigned(context: RequestContext, scope: Scope, params: OfRole): Promise<Reply> {
  const row = { ...(await found(context, scope, params)), role_id: params.role_id };
  const present = await context.app.db
    .selectFrom('identity_assignments')
    .select('role_id')
    .where('user_id', '=', row.user_id)
    .where('scope', '=', scope)
    .where('scope_id', '=', row.scope_id)
    .where('role_id', '=', row.role_id)
    .executeTakeFirst();
  if (present === undefined) throw noAssignment(params);
  return { status: 204 };
}

/** Giving what somebody has is no mistake. */
export async function assign(context: RequestContext, scope: Scope, params: OfRole): Promise<Reply> {
  const { id } = await findRole(context, params.role_id);
  const row = { ...(await found(context, scope, params)), role_id: id };
  await identityOf(context).change((trx) =>
    trx.insertInto('identity_assignments').ignore().values(row).execute(),
  );
  return { status: 204 };
}

/** Whoever loses a role in a project loses the application credentials for it, as in Keystone. */
export async function unassign(context: RequestContext, scope: Scope, params: OfRole): Promise<Reply> {
  const row = await found(context, scope, params);
  await identityOf(context).change(async (trx) => {
    const { numDeletedRows } = await trx
      .deleteFrom('identity_assignments')
      .where('user_id', '=', row.user_id)
      .where('scope', '=', scope)
      .where('scope_id', '=', row.scope_id)
      .where('role_id', '=', params.role_id)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw noAssignment(params);
    if (scope === 'project')
      await trx
        .deleteFrom('identity_application_credentials')
        .where('user_id', '=', row.user_id)
        .where('project_id', '=', row.scope_id as ProjectId)
        .execute();
  });
  return { status: 204 };
}

/** @throws ApiError 404 when the user, project or domain is not there. */
async function found(context: RequestContext, scope: Scope, { scope_id = 'all', user_id }: OfUser) {
  const user = await findUser(context, user_id);
  if (scope === 'project') await findProject(context, scope_id);
  if (scope === 'domain') await findDomain(context, scope_id);
  return { user_id: user.id satisfies UserId, scope, scope_id };
}

const noAssignment = ({ role_id: role, user_id: user }: OfRole) =>
  notFound('role assignment with role', `${role}, user or group: ${user}`);
