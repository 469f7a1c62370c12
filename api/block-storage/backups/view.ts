import type { Caller, RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import { asSeenBy } from '#api/http/places.ts';
import type { BackupRow } from './rows.ts';

const PROJECT_SINCE = 18;
export const METADATA_SINCE = 43;
const USER_SINCE = 56;
const KEY_SINCE = 64;
/** Characters of a reason, as Cinder's column has room for. */
const LONGEST_REASON = 255;

export function summaryView(context: RequestContext, { id, name }: Pick<BackupRow, 'id' | 'name'>) {
  return {
    id,
    name,
    links: [
      { rel: 'self', href: `${context.selfUrl}/backups/${id}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/backups/${id}` },
    ],
  };
}

export function detailView(context: RequestContext, row: BackupRow) {
  const { microversion, caller } = context;
  return {
    ...summaryView(context, row),
    status: row.status,
    size: row.size_gib,
    object_count: row.object_count,
    availability_zone: row.availability_zone,
    container: row.container,
    created_at: isoTime(row.created_at),
    updated_at: row.updated_at === null ? null : isoTime(row.updated_at),
    description: row.description,
    fail_reason: reasonView(caller, row.fail_reason),
    volume_id: row.volume_id,
    is_incremental: row.parent_id !== null,
    has_dependent_backups: row.dependents === 1,
    snapshot_id: row.snapshot_id,
    data_timestamp: isoTime(row.data_timestamp),
    ...(microversion >= METADATA_SINCE && { metadata: JSON.parse(row.metadata) as Record<string, string> }),
    ...(microversion >= PROJECT_SINCE &&
      caller.isAdmin && { 'os-backup-project-attr:project_id': row.project_id }),
    ...(microversion >= USER_SINCE && caller.isAdmin && { user_id: row.user_id }),
    ...(microversion >= KEY_SINCE &&
      row.encryption_key_id !== null && { encryption_key_id: row.encryption_key_id }),
  };
}

function reasonView(caller: Caller, reason: string | null): string | null {
  return reason === null ? null : asSeenBy(caller, reason).slice(0, LONGEST_REASON).toWellFormed();
}
