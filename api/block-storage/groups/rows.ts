import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, badRequest, notFound } from '#api/http/errors.ts';
import { asId, type GroupId, isUuid, type VolumeId, type VolumeTypeId } from '#schema/ids.ts';
import type { VolumeGroupsTable } from '#schema/tables.ts';

export type GroupRow = Selectable<VolumeGroupsTable>;

export const invalidGroup = (reason: string): ApiError => badRequest(`Invalid Group: ${reason}`);

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findGroup(context: RequestContext, id: string): Promise<GroupRow> {
  const { app, caller } = context;
  const row = isUuid(id)
    ? await app.db
        .selectFrom('volume_groups')
        .selectAll()
        .where('id', '=', asId<GroupId>(id.toLowerCase()))
        .executeTakeFirst()
    : undefined;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw notFound('Group', id.slice(0, 255));
  }
  return row;
}

/** The volume types that each of the groups takes. */
export async function typesOf(
  { app }: RequestContext,
  groups: readonly GroupId[],
): Promise<ReadonlyMap<GroupId, VolumeTypeId[]>> {
  if (groups.length === 0) return new Map();
  const rows = await app.db
    .selectFrom('volume_group_types')
    .selectAll()
    .where('group_id', 'in', groups)
    .orderBy('volume_type_id')
    .execute();
  return gathered(rows, (row) => row.volume_type_id);
}

/** The ids of each group's volumes. */
export async function volumesOf(
  { app }: RequestContext,
  groups: readonly GroupId[],
): Promise<ReadonlyMap<GroupId, VolumeId[]>> {
  if (groups.length === 0) return new Map();
  const rows = await app.db
    .selectFrom('volumes')
    .select(['id', 'group_id'])
    .where('group_id', 'in', groups)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return gathered(rows, (row) => row.id);
}

function gathered<R extends { readonly group_id: GroupId | null }, V>(
  rows: readonly R[],
  value: (row: R) => V,
): Map<GroupId, V[]> {
  const found = new Map<GroupId, V[]>();
  for (const row of rows) {
    if (row.group_id === null) continue;
    found.set(row.group_id, [...(found.get(row.group_id) ?? []), value(row)]);
  }
  return found;
}
