import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import type { SnapshotRow } from './rows.ts';

/** Cinder's short view of a snapshot. */
export function summaryView(context: RequestContext, row: SnapshotRow) {
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
    ...(context.microversion >= 14 && { group_snapshot_id: row.group_snapshot_id }),
    ...(context.microversion >= 41 && { user_id: row.user_id }),
    ...(context.microversion >= 65 && { consumes_quota: true as const }),
  };
}

export function detailView(context: RequestContext, row: SnapshotRow) {
  return {
    ...summaryView(context, row),
    'os-extended-snapshot-attributes:project_id': row.project_id,
    'os-extended-snapshot-attributes:progress': row.status === 'available' ? '100%' : '0%',
  };
}
