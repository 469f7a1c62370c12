import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { IdentityUsersTable } from '#schema/tables.ts';
import { comparable } from '../comparable.ts';
import { findDomain } from '../domains/handlers.ts';
import { notFound } from '../errors.ts';
import { identityOf, linksOf, newId } from '../fields.ts';
import { type Filters, matching } from '../filters.ts';
import { grantsOf } from '../grants.ts';
import { groupView } from '../groups/handlers.ts';
import { projectView } from '../projects/handlers.ts';
import { stored } from '../stored.ts';
import { checkOwn, sessionOf } from '../who.ts';

type Row = Selectable<IdentityUsersTable>;
type Query = Record<string, string>;

/** Of users, and of a user's projects. */
export const OF_DOMAIN: Filters = {
  texts: { name: 'name' },
  ids: { domain_id: 'domain_id' },
  flags: ['enabled'],
};
export const GROUPS_OF_USER: Filters = { texts: { name: 'group.name' } };
type ById = Input<{ id: string }, Query, unknown>;

/** What a client may set. */
interface User {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly default_project_id?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly password?: string | null | undefined;
  readonly domain_id?: string | undefined;
}

export const userView = ({ selfUrl }: RequestContext, row: Row) => ({
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  enabled: row.enabled === 1,
  ...(row.description !== null && { description: row.description }),
  ...(row.email !== null && { email: row.email }),
  ...(row.default_project_id !== null && { default_project_id: row.default_project_id }),
  password_expires_at: null,
  options: {},
  links: { self: `${selfUrl}/users/${row.id}` },
});

export async function listUsers(
  context: RequestContext,
  { query }: Input<object, Query, unknown>,
): Promise<Reply> {
  identityOf(context);
  const rows = await context.app.db
    .selectFrom('identity_users')
    .selectAll()
    .where(matching(query, OF_DOMAIN))
    .orderBy('name')
    .execute();
  return {
    status: 200,
    body: { users: rows.map((row) => userView(context, row)), links: linksOf(context, '/users') },
  };
}

export async function showUser(context: RequestContext, { params: { id } }: ById): Promise<Reply> {
  identityOf(context);
  checkOwn(context, id, 'get_user');
  return { status: 200, body: { user: userView(context, await findUser(context, id)) } };
}

export async function createUser(
  context: RequestContext,
  { body }: Input<object, Query, { user: User & { name: string } }>,
): Promise<Reply> {
  const { user } = body;
  const identity = identityOf(context);
  const domain = await findDomain(context, user.domain_id ?? (await sessionOf(context)).userDomain.id);
  const row: Row = {
    id: newId(context) as UserId,
    domain_id: domain.id,
    name: user.name,
    description: user.description ?? null,
    email: user.email ?? null,
    enabled: (user.enabled ?? true) ? 1 : 0,
    default_project_id: user.default_project_id ?? null,
    password: user.password == null ? null : await identity.passwords.hash(user.password),
    epoch: 0,
    failures: 0,
    locked_until: null,
  };
  await stored('user', row, () =>
    identity.change((trx) => trx.insertInto('identity_users').values(row).execute()),
  );
  return { status: 201, body: { user: userView(context, row) } };
}

/**
 * A new password, and being disabled, end all of a user's tokens; a new password, and being enabled, end a lock-out. Being
 * disabled costs a user the application credentials, as in Keystone.
 */
export async function updateUser(
  context: RequestContext,
  { params, body: { user } }: Input<{ id: string }, Query, { user: User }>,
): Promise<Reply> {
  const old = await findUser(context, params.id);
  if (user.domain_id !== undefined && user.domain_id !== old.domain_id)
    throw badRequest('Cannot change Domain ID');
  const identity = identityOf(context);
  // Nothing but what was asked for is written: somebody may be changing the rest at this moment.
  const wanted = {
    ...(user.name !== undefined && { name: user.name }),
    ...(user.description !== undefined && { description: user.description }),
    ...(user.email !== undefined && { email: user.email }),
    ...(user.default_project_id !== undefined && { default_project_id: user.default_project_id }),
    ...(user.enabled !== undefined && { enabled: user.enabled ? (1 as const) : (0 as const) }),
    ...(user.password !== undefined && {
      password: user.password === null ? null : await identity.passwords.hash(user.password),
    }),
  };
  if (Object.keys(wanted).length === 0) return { status: 200, body: { user: userView(context, old) } };
  const endsTokens = user.password !== undefined || user.enabled === false;
  const unlocks = user.password !== undefined || user.enabled === true;
  await stored('user', { name: user.name ?? old.name }, () =>
    identity.change(async (trx) => {
      await trx
        .updateTable('identity_users')
        .set(wanted)
        .$if(endsTokens, (update) => update.set((eb) => ({ epoch: eb('epoch', '+', 1) })))
        .$if(unlocks, (update) => update.set({ failures: 0, locked_until: null }))
        .where('id', '=', old.id)
        .execute();
      if (user.enabled === false)
        await trx.deleteFrom('identity_application_credentials').where('user_id', '=', old.id).execute();
    }),
  );
  return { status: 200, body: { user: userView(context, { ...old, ...wanted }) } };
}

export async function deleteUser(context: RequestContext, { params }: ById): Promise<Reply> {
  const { id } = await findUser(context, params.id);
  await identityOf(context).change((trx) => trx.deleteFrom('identity_users').where('id', '=', id).execute());
  return { status: 204 };
}

export async function listProjectsOfUser(
  context: RequestContext,
  { params: { id }, query }: ById,
): Promise<Reply> {
  identityOf(context);
  checkOwn(context, id, 'list_user_projects');
  await findUser(context, id);
  return { status: 200, body: await projectsOf(context, id, `/users/${id}/projects`, query) };
}

/** Those that the user has a role in; disabled ones, too, as in Keystone. */
export async function projectsOf(context: RequestContext, user: string, path: string, query: Query = {}) {
  const rows = await context.app.db
    .selectFrom('identity_projects as project')
    .selectAll('project')
    .where(matching(query, OF_DOMAIN))
    .where('project.id', 'in', (from) =>
      from
        .selectFrom(grantsOf(context.app.db, user))
        .select('scope_id')
        .where('scope', '=', 'project')
        .$castTo<{ scope_id: ProjectId }>(),
    )
    .orderBy('project.name')
    .execute();
  return { projects: rows.map((row) => projectView(context, row)), links: linksOf(context, path) };
}

export async function listGroupsOfUser(
  context: RequestContext,
  { params: { id }, query }: ById,
): Promise<Reply> {
  identityOf(context);
  checkOwn(context, id, 'list_groups_for_user');
  await findUser(context, id);
  const rows = await context.app.db
    .selectFrom('identity_groups as group')
    .innerJoin('identity_group_members as member', 'member.group_id', 'group.id')
    .selectAll('group')
    .where('member.user_id', '=', id as UserId)
    .where(matching(query, GROUPS_OF_USER))
    .orderBy('group.name')
    .execute();
  const groups = rows.map((row) => ({ ...groupView(context, row), membership_expires_at: null }));
  return { status: 200, body: { groups, links: linksOf(context, `/users/${id}/groups`) } };
}

/** @throws ApiError 404 */
export async function findUser(context: RequestContext, id: string): Promise<Row> {
  identityOf(context);
  const row = await context.app.db
    .selectFrom('identity_users')
    .selectAll()
    .where('id', '=', comparable(id as UserId))
    .executeTakeFirst();
  if (row === undefined) throw notFound('user', id);
  return row;
}
