import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, conflict } from '#api/http/errors.ts';
import type { Condition } from '#api/http/keyset.ts';
import { readListing } from '#api/http/listing.ts';
import { sameForAll } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { isReferenced } from '#api/http/sql-errors.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type GroupTypeId } from '#schema/ids.ts';
import { readIsPublic } from '../types/list.ts';
import { findGroupType, type GroupTypeRow, groupTypeView, readGroupType } from './rows.ts';
import type { GroupTypeChanges, NewGroupType } from './schema.ts';

type Query = Readonly<Record<string, string>>;

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  description: 'description',
  is_public: 'is_public',
  ...sameForAll('deleted'),
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof GroupTypeRow>;

export async function listGroupTypes(context: RequestContext, query: Query): Promise<Reply> {
  const wanted = context.caller.isAdmin ? readIsPublic(query['is_public']) : true;
  const conditions: Condition[] =
    wanted === undefined ? [] : [{ sql: 't.is_public = ?', values: [wanted ? 1 : 0] }];
  const { rows, links } = await readListing<(typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS], GroupTypeRow>(
    context,
    query,
    {
      select: 'SELECT t.* FROM group_types t',
      table: 'group_types',
      alias: 't',
      sort: SORT_COLUMNS,
      conditions,
      collection: 'group_types',
      marker: (id) => readGroupType(context.app.db, id),
    },
  );
  const types = rows.map((row) => groupTypeView(context, row));
  return {
    status: 200,
    body: { group_types: types, ...(links.length > 0 && { group_type_links: links }) },
  };
}

export async function showGroupType(context: RequestContext, id: string): Promise<Reply> {
  // No installation has one, as Cinder's has none until it is configured.
  if (id === 'default') throw new ApiError(404, 'Default group type can not be found.');
  return reply(context, 200, await findGroupType(context, id));
}

function reply(context: RequestContext, status: number, row: GroupTypeRow): Reply {
  return { status, body: { group_type: groupTypeView(context, row) } };
}

export async function createGroupType(context: RequestContext, wanted: NewGroupType): Promise<Reply> {
  const { db, ids, clock } = context.app;
  const row: GroupTypeRow = {
    id: asId<GroupTypeId>(ids.uuid()),
    name: wanted.name,
    description: wanted.description ?? null,
    is_public: wanted.is_public === false ? 0 : 1,
    group_specs: JSON.stringify(wanted.group_specs ?? {}),
    created_at: sqlTime(clock.now()),
    updated_at: null,
  };
  try {
    await db.insertInto('group_types').values(row).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? taken(wanted.name) : error;
  }
  return reply(context, 202, row);
}

export async function updateGroupType(
  context: RequestContext,
  id: string,
  { name, description, is_public: isPublic }: GroupTypeChanges,
): Promise<Reply> {
  const { db, clock } = context.app;
  if (typeof name === 'string' && name !== '' && name.trim() === '') {
    throw badRequest('Group type name can not be empty.');
  }
  if ((name ?? description ?? isPublic ?? null) === null) {
    throw badRequest('Specify group type name, description or a combination thereof.');
  }
  const row = await findGroupType(context, id);
  try {
    await db
      .updateTable('group_types')
      .set({
        name: name ?? row.name,
        description: description ?? row.description,
        is_public: isPublic === undefined ? row.is_public : isPublic ? 1 : 0,
        updated_at: sqlTime(clock.now()),
      })
      .where('id', '=', row.id)
      .execute();
  } catch (error) {
    throw isDuplicateKey(error) ? taken(name ?? '') : error;
  }
  return reply(context, 200, await findGroupType(context, id));
}

const taken = (name: string): ApiError => conflict(`Group Type ${name} already exists.`);

export async function deleteGroupType(context: RequestContext, id: string): Promise<Reply> {
  const row = await findGroupType(context, id);
  try {
    await context.app.db.deleteFrom('group_types').where('id', '=', row.id).execute();
  } catch (error) {
    throw isReferenced(error)
      ? badRequest(
          `Target group type is still in use. Group Type ${row.id} deletion is not allowed with groups present with the type.`,
        )
      : error;
  }
  return { status: 202 };
}
