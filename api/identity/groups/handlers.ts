import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { IdentityGroupsTable } from '#schema/tables.ts';
import { comparable } from '../comparable.ts';
import { findDomain } from '../domains/handlers.ts';
import { notFound } from '../errors.ts';
import { identityOf, linksOf, newId } from '../fields.ts';
import { type Filters, matching } from '../filters.ts';
import { stored } from '../stored.ts';
import { sessionOf } from '../who.ts';

type Row = Selectable<IdentityGroupsTable>;
type Query = Record<string, string>;

export const GROUP_FILTERS: Filters = { texts: { name: 'name' }, ids: { domain_id: 'domain_id' } };
type ById = Input<{ id: string }, Query, unknown>;

/** What a client may set. */
interface Group {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
}

export const groupView = ({ selfUrl }: RequestContext, row: Row) => ({
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  links: { self: `${selfUrl}/groups/${row.id}` },
});

export async function listGroups(
  context: RequestContext,
  { query }: Input<object, Query, unknown>,
): Promise<Reply> {
  identityOf(context);
  const rows = await context.app.db
    .selectFrom('identity_groups')
    .selectAll()
    .where(matching(query, GROUP_FILTERS))
    .orderBy('name')
    .execute();
  const groups = rows.map((row) => groupView(context, row));
  return { status: 200, body: { groups, links: linksOf(context, '/groups') } };
}

export async function showGroup(context: RequestContext, { params }: ById): Promise<Reply> {
  return { status: 200, body: { group: groupView(context, await findGroup(context, params.id)) } };
}

export async function createGroup(
  context: RequestContext,
  {
    body: { group },
  }: Input<object, Query, { group: Group & { name: string; domain_id?: string | undefined } }>,
): Promise<Reply> {
  const domain = await findDomain(context, group.domain_id ?? (await sessionOf(context)).userDomain.id);
  const row: Row = {
    id: newId(context),
    domain_id: domain.id,
    name: group.name,
    description: group.description ?? '',
  };
  await stored('group', row, () =>
    identityOf(context).change((trx) => trx.insertInto('identity_groups').values(row).execute()),
  );
  return { status: 201, body: { group: groupView(context, row) } };
}

export async function updateGroup(
  context: RequestContext,
  { params, body }: Input<{ id: string }, Query, { group: Group }>,
): Promise<Reply> {
  const old = await findGroup(context, params.id);
  const { name = old.name, description = old.description } = body.group;
  const row: Row = { ...old, name, description: description ?? '' };
  await stored('group', { name }, () =>
    identityOf(context).change((trx) =>
      trx.updateTable('identity_groups').set(row).where('id', '=', old.id).execute(),
    ),
  );
  return { status: 200, body: { group: groupView(context, row) } };
}

/** Its members lose what they had by it. */
export async function deleteGroup(context: RequestContext, { params }: ById): Promise<Reply> {
  const { id } = await findGroup(context, params.id);
  await identityOf(context).change((trx) => trx.deleteFrom('identity_groups').where('id', '=', id).execute());
  return { status: 204 };
}

/** @throws ApiError 404 */
export async function findGroup(context: RequestContext, id: string): Promise<Row> {
  identityOf(context);
  const row = await context.app.db
    .selectFrom('identity_groups')
    .selectAll()
    .where('id', '=', comparable(id))
    .executeTakeFirst();
  if (row === undefined) throw notFound('group', id);
  return row;
}
