import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { asId, type GroupSnapshotId, isUuid } from '#schema/ids.ts';
import type { GroupSnapshotsTable } from '#schema/tables.ts';

export type GroupSnapshotRow = Selectable<GroupSnapshotsTable>;

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findGroupSnapshot(context: RequestContext, id: string): Promise<GroupSnapshotRow> {
  const { app, caller } = context;
  const row = isUuid(id)
    ? await app.db
        .selectFrom('group_snapshots')
        .selectAll()
        .where('id', '=', asId<GroupSnapshotId>(id.toLowerCase()))
        .executeTakeFirst()
    : undefined;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw notFound('GroupSnapshot', id.slice(0, 255));
  }
  return row;
}
