import type { RequestContext } from '#api/http/context.ts';
import { isoTime, strictFlag } from '#api/http/fields.ts';
import { type GroupRow, typesOf, volumesOf } from './rows.ts';

type Query = Readonly<Record<string, string>>;

const SOURCES_SINCE = 14;
const VOLUMES_SINCE = 25;
const REPLICATION_SINCE = 38;
const PROJECT_SINCE = 58;

export function summaryView({ id, name }: GroupRow) {
  return { id, name };
}

/** What all words for a group show. @param types of each group, by its id */
export function plainView(row: GroupRow, types: ReadonlyMap<string, readonly string[]>) {
  return {
    id: row.id,
    status: row.status,
    availability_zone: row.availability_zone,
    created_at: isoTime(row.created_at),
    name: row.name,
    description: row.description,
    volume_types: types.get(row.id) ?? [],
  };
}

/** Cinder's full view of groups; fields appear from the microversion that brought them. */
export async function detailViews(context: RequestContext, query: Query, rows: readonly GroupRow[]) {
  const { caller, microversion } = context;
  const ids = rows.map(({ id }) => id);
  const types = await typesOf(context, ids);
  const withVolumes = microversion >= VOLUMES_SINCE && strictFlag(query, 'list_volume');
  const volumes = withVolumes ? await volumesOf(context, ids) : undefined;
  return rows.map((row) => ({
    ...plainView(row, types),
    group_type: row.group_type_id,
    ...(microversion >= SOURCES_SINCE && {
      group_snapshot_id: row.group_snapshot_id,
      source_group_id: row.source_group_id,
    }),
    ...(volumes !== undefined && { volumes: volumes.get(row.id) ?? [] }),
    ...(microversion >= REPLICATION_SINCE && { replication_status: 'disabled' as const }),
    ...(microversion >= PROJECT_SINCE && caller.isAdmin && { project_id: row.project_id }),
  }));
}
