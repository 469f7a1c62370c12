import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { asId, isUuid, type SnapshotId } from '#schema/ids.ts';
import type { SnapshotsTable } from '#schema/tables.ts';
import type { VolumeRow } from '../volumes/rows.ts';

export type SnapshotRow = Selectable<SnapshotsTable>;

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findSnapshot(context: RequestContext, id: string): Promise<SnapshotRow> {
  const { app, caller } = context;
  const row = isUuid(id)
    ? await app.db
        .selectFrom('snapshots')
        .selectAll()
        .where('id', '=', asId<SnapshotId>(id.toLowerCase()))
        .executeTakeFirst()
    : undefined;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw notFound('Snapshot', id.slice(0, 255));
  }
  return row;
}

/**
 * The snapshot's volume, whosever it is: one that has been handed to another project may have left its snapshots behind.
 * @throws ApiError 404 when it is gone.
 */
export async function volumeOf({ app }: RequestContext, snapshot: SnapshotRow): Promise<VolumeRow> {
  const row = await app.volumes.load(snapshot.volume_id);
  if (row === undefined) throw notFound('Snapshot', snapshot.id);
  return row;
}
