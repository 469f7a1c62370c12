import type { Kysely, Selectable, Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { type GroupTypeId, isUuid } from '#schema/ids.ts';
import type { GroupTypesTable, Tables } from '#schema/tables.ts';
import type { Specs } from '../type-fields.ts';

export type GroupTypeRow = Selectable<GroupTypesTable>;

export const noGroupType = (id: string): ApiError =>
  new ApiError(404, `Group type ${id.slice(0, 255)} could not be found.`);

/** @throws ApiError 404 when there is none, or it is private and the caller no administrator. */
export async function findGroupType(context: RequestContext, id: string): Promise<GroupTypeRow> {
  const row = await readGroupType(context.app.db, id);
  if (row === undefined || (row.is_public === 0 && !context.caller.isAdmin)) throw noGroupType(id);
  return row;
}

/** Locks the row when read inside a transaction that will change it. */
export async function readGroupType(
  db: Kysely<Tables> | Transaction<Tables>,
  id: string,
  lock = false,
): Promise<GroupTypeRow | undefined> {
  if (!isUuid(id)) return undefined;
  return db
    .selectFrom('group_types')
    .selectAll()
    .where('id', '=', id.toLowerCase() as GroupTypeId)
    .$if(lock, (query) => query.forUpdate())
    .executeTakeFirst();
}

/** By name or id; a name may look like an id. @throws ApiError 404 */
export async function findGroupTypeNamed(context: RequestContext, wanted: string): Promise<GroupTypeRow> {
  const row =
    (await readGroupType(context.app.db, wanted)) ??
    (await context.app.db
      .selectFrom('group_types')
      .selectAll()
      .where('name', '=', wanted)
      .executeTakeFirst());
  if (row !== undefined && (row.is_public === 1 || context.caller.isAdmin)) return row;
  if (isUuid(wanted)) throw noGroupType(wanted);
  throw new ApiError(404, `Group type with name ${wanted} could not be found.`);
}

export function specsOf(row: GroupTypeRow): Specs {
  return JSON.parse(row.group_specs) as Specs;
}

/** Its specs are for administrators. */
export function groupTypeView(context: RequestContext, row: GroupTypeRow) {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    is_public: row.is_public === 1,
    ...(context.caller.isAdmin && { group_specs: specsOf(row) }),
  };
}
