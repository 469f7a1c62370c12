import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { IdentityAssignmentsTable, Tables } from '#schema/tables.ts';
import { findDomain } from '../domains/handlers.ts';
import { identityOf, linksOf } from '../fields.ts';
import { findGroup } from '../groups/handlers.ts';
import { findProject } from '../projects/handlers.ts';
import { findRole, type RoleRow, roleView } from '../roles/handlers.ts';
import { findUser } from '../users/handlers.ts';
import { lockUser } from '../users/lock.ts';

type Scope = IdentityAssignmentsTable['scope'];
export type Actor = 'user' | 'group';

interface OfActor {
  readonly scope_id?: string | undefined;
  readonly actor_id: string;
}
interface OfRole extends OfActor {
  readonly role_id: string;
}

/** Users and groups are given roles in tables of the same form. */
const TABLES = {
  user: sql.table('identity_assignments'),
  group: sql.table('identity_group_assignments'),
} as const;
const COLUMNS = { user: sql.ref('user_id'), group: sql.ref('group_id') } as const;

export async function listOf(
  context: RequestContext,
  actor: Actor,
  scope: Scope,
  params: OfActor,
): Promise<Reply> {
  const { scope_id, actor_id, where } = await found(context, actor, scope, params);
  const { rows } = await sql<RoleRow>`SELECT role.* FROM ${TABLES[actor]} AS assignment
    JOIN identity_roles AS role ON role.id = assignment.role_id
    WHERE ${where} ORDER BY role.name`.execute(context.app.db);
  return {
    status: 200,
    body: {
      roles: rows.map((row) => roleView(context, row)),
      links: linksOf(context, pathOf({ scope, scope_id }, actor, actor_id)),
    },
  };
}

export async function checkAssigned(
  context: RequestContext,
  actor: Actor,
  scope: Scope,
  params: OfRole,
): Promise<Reply> {
  await findRole(context, params.role_id);
  const { where, scope_id } = await found(context, actor, scope, params);
  const { rows } = await sql`SELECT role_id FROM ${TABLES[actor]}
    WHERE ${where} AND role_id = ${params.role_id}`.execute(context.app.db);
  if (rows.length === 0) throw noAssignment(params, scope_id);
  return { status: 204 };
}

/** Giving what somebody has is no mistake. */
export async function assign(
  context: RequestContext,
  actor: Actor,
  scope: Scope,
  params: OfRole,
): Promise<Reply> {
  const { id } = await findRole(context, params.role_id);
  const { scope_id, actor_id } = await found(context, actor, scope, params);
  await identityOf(context).change((trx) =>
    sql`INSERT IGNORE INTO ${TABLES[actor]} (${COLUMNS[actor]}, scope, scope_id, role_id)
      VALUES (${actor_id}, ${scope}, ${scope_id}, ${id})`.execute(trx),
  );
  return { status: 204 };
}

/** A user who loses a role in a project, or in all of a domain's, loses the application credentials for it, as Keystone's documentation has it. */
export async function unassign(
  context: RequestContext,
  actor: Actor,
  scope: Scope,
  params: OfRole,
): Promise<Reply> {
  await findRole(context, params.role_id);
  const { scope_id, actor_id, where } = await found(context, actor, scope, params);
  await identityOf(context).change(async (trx) => {
    // A credential that is being made is either seen below, or made without the role.
    if (actor === 'user') await lockUser(trx, actor_id);
    const { numAffectedRows } = await sql`DELETE FROM ${TABLES[actor]}
      WHERE ${where} AND role_id = ${params.role_id}`.execute(trx);
    if (numAffectedRows === 0n) throw noAssignment(params, scope_id);
    if (actor === 'user') await dropCredentials(trx, actor_id as UserId, scope, scope_id);
  });
  return { status: 204 };
}

/** Those for the project, or for any that inherits from the domain. */
async function dropCredentials(
  trx: Transaction<Tables>,
  user: UserId,
  scope: Scope,
  scope_id: string,
): Promise<void> {
  if (scope !== 'project' && scope !== 'inherit') return;
  await trx
    .deleteFrom('identity_application_credentials')
    .where('user_id', '=', user)
    .where('project_id', 'in', (from) =>
      from
        .selectFrom('identity_projects as project')
        .select('project.id')
        .where(scope === 'project' ? 'project.id' : 'project.domain_id', '=', scope_id as ProjectId),
    )
    .execute();
}

/** @throws ApiError 404 when the user, group, project or domain is not there. */
async function found(
  context: RequestContext,
  actor: Actor,
  scope: Scope,
  { scope_id = 'all', actor_id: wanted }: OfActor,
): Promise<{ scope_id: string; actor_id: string; where: RawBuilder<unknown> }> {
  const { id } = await (actor === 'user' ? findUser(context, wanted) : findGroup(context, wanted));
  if (scope === 'project') await findProject(context, scope_id);
  if (scope === 'domain' || scope === 'inherit') await findDomain(context, scope_id);
  const where = sql`${COLUMNS[actor]} = ${id} AND scope = ${scope} AND scope_id = ${scope_id}`;
  return { scope_id, actor_id: id, where };
}

/** Where Keystone has the roles that somebody was given in a place; with a role, where it has that one. */
export function pathOf(
  { scope, scope_id }: { readonly scope: Scope; readonly scope_id: string },
  actor: Actor,
  actor_id: string,
  role?: string,
): string {
  const roles = `${actor}s/${actor_id}/roles${role === undefined ? '' : `/${role}`}`;
  if (scope === 'system') return `/system/${roles}`;
  if (scope === 'inherit') return `/OS-INHERIT/domains/${scope_id}/${roles}/inherited_to_projects`;
  return `/${scope}s/${scope_id}/${roles}`;
}

const noAssignment = ({ role_id: role, actor_id: actor }: OfRole, scope_id: string): ApiError =>
  new ApiError(
    404,
    `Could not find role assignment with role: ${role}, user or group: ${actor}, project, domain, or system: ${scope_id === 'all' ? 'system' : scope_id}.`,
  );
