import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import type { GroupSnapshotRow } from './rows.ts';

const PROJECT_SINCE = 58;

export function detailView({ caller, microversion }: RequestContext, row: GroupSnapshotRow) {
  return {
    id: row.id,
    group_id: row.group_id,
    group_type_id: row.group_type_id,
    status: row.status,
    created_at: isoTime(row.created_at),
    name: row.name,
    description: row.description,
    ...(microversion >= PROJECT_SINCE && caller.isAdmin && { project_id: row.project_id }),
  };
}
