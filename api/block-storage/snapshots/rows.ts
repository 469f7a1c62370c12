import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, isUuid, type SnapshotId } from '#schema/ids.ts';
import type { SnapshotStatus } from '#schema/states.ts';
import type { SnapshotsTable } from '#schema/tables.ts';
import type { VolumeRow } from '../volumes/rows.ts';

export type SnapshotRow = Selectable<SnapshotsTable>;

/** One of this volume that is yet to be made. */
export function newSnapshot(
  { app, caller }: RequestContext,
  volume: VolumeRow,
  said: {
    readonly name?: string | null | undefined;
    readonly description?: string | null | undefined;
    readonly metadata?: Readonly<Record<string, string>> | null | undefined;
  },
): SnapshotRow {
  return {
    id: asId<SnapshotId>(app.ids.uuid()),
    project_id: volume.project_id,
    user_id: caller.userId,
    volume_id: volume.id,
    name: said.name ?? null,
    description: said.description ?? null,
    size_gib: volume.size_gib,
    status: 'creating',
    reserved: 0,
    progress: null,
    group_snapshot_id: null,
    metadata: JSON.stringify(said.metadata ?? {}),
    created_at: sqlTime(app.clock.now()),
    updated_at: null,
  };
}

/** Statuses of a snapshot that has not been made. */
const UNMADE: readonly SnapshotStatus[] = ['creating', 'error'];

/** How far its making has come: what has been told, or all or nothing; and the same in SQL, of a snapshot `s`. */
export function progressOf({ progress, status }: SnapshotRow): string {
  return progress ?? (UNMADE.includes(status) ? '0%' : '100%');
}
export const PROGRESS = `IFNULL(s.progress, IF(s.status IN ('${UNMADE.join("', '")}'), '0%', '100%'))`;

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
