import type { RequestContext } from '#api/http/context.ts';
import type { BackupId } from '#schema/ids.ts';
import type { SnapshotRow } from '../snapshots/rows.ts';
import type { VolumeRow } from '../volumes/rows.ts';
import { invalidBackup } from './rows.ts';

/**
 * What an increment is made on: of the project's backups of the volume that which has the newest data, and for a snapshot
 * the newest before it. @throws ApiError 400 when there is none that can be used
 */
export async function findParent(
  { app, caller }: RequestContext,
  volume: VolumeRow,
  snapshot: SnapshotRow | undefined,
): Promise<{ readonly id: BackupId }> {
  const newest = await app.db
    .selectFrom('backups')
    .select('id')
    .where('volume_id', '=', volume.id)
    .where('project_id', '=', caller.projectId)
    .where('status', '=', 'available')
    .$if(snapshot !== undefined, (select) => select.where('data_timestamp', '<', snapshot?.created_at ?? ''))
    .orderBy('data_timestamp', 'desc')
    .orderBy('id')
    .executeTakeFirst();
  if (newest === undefined) throw invalidBackup('No backups available to do an incremental backup.');
  return newest;
}
