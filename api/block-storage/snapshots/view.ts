import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import { progressOf, type SnapshotRow } from './rows.ts';

/** Cinder's short view of a snapshot. */
export function summaryView(row: SnapshotRow) {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    volume_id: row.volume_id,
    status: row.status,
    size: row.size_gib,
    metadata: JSON.parse(row.metadata) as Record<string, string>,
    created_at: isoTime(row.created_at),
    updated_at: row.updated_at === null ? null : isoTime(row.updated_at),
  };
}

/** The full view; fields appear from the microversion that brought them. */
export function detailView(context: RequestContext, row: SnapshotRow) {
  return {
    ...summaryView(row),
    ...(context.microversion >= 14 && { group_snapshot_id: row.group_snapshot_id }),
    ...(context.microversion >= 41 && { user_id: row.user_id }),
    ...(context.microversion >= 65 && { consumes_quota: true as const }),
  };
}

/** What `show` and `detail` tell besides: what a Cinder extension adds to these two replies and to no other. */
export function extendedView(context: RequestContext, row: SnapshotRow) {
  return {
    ...detailView(context, row),
    'os-extended-snapshot-attributes:project_id': row.project_id,
    'os-extended-snapshot-attributes:progress': progressOf(row),
  };
}
