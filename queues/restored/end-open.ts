import { sql } from 'kysely';
import type { VolumeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES, type OperationState, type SnapshotStatus } from '#schema/states.ts';
import type { Tx } from '../transaction.ts';

/** What a snapshot says once nobody works on it any more; what there is of it on its host stays. */
const SNAPSHOT_AFTER: Partial<Record<SnapshotStatus, SnapshotStatus>> = {
  creating: 'error',
  deleting: 'error_deleting',
  unmanaging: 'error_unmanaging',
  restoring: 'available',
};

/** Ends all of a volume's operations where they are, and says no more than that: see `endOpen`. */
export function endOperations(
  tx: Tx,
  volumeId: VolumeId,
  state: Extract<OperationState, 'undone' | 'stuck'>,
  error: string,
  now: string,
): void {
  tx.later(
    tx.q
      .updateTable('operations')
      .set({ state, error, owner: null, ended_at: now, epoch: sql`epoch + 1` })
      .where('volume_id', '=', volumeId)
      .where('backup_id', 'is', null)
      .where('state', 'in', OPEN_OPERATION_STATES),
  );
}

/**
 * Ends all of a volume's operations where they are: nothing is undone, nothing that they would have dropped (keys, images, copies)
 * is dropped. What else says that something is under way is told that it is not.
 */
export function endOpen(
  tx: Tx,
  volumeId: VolumeId,
  state: Extract<OperationState, 'undone' | 'stuck'>,
  error: string,
  now: string,
): void {
  endOperations(tx, volumeId, state, error, now);
  for (const [before, after] of Object.entries(SNAPSHOT_AFTER) as [SnapshotStatus, SnapshotStatus][])
    tx.later(
      tx.q
        .updateTable('snapshots')
        .set({ status: after, updated_at: now })
        .where('volume_id', '=', volumeId)
        .where('status', '=', before),
    );
  tx.later(
    tx.q
      .updateTable('backups')
      .set({ status: 'available', updated_at: now })
      .where('restore_volume_id', '=', volumeId)
      .where('status', '=', 'restoring'),
  );
  // Whether it runs its host reports, once nothing is said to be done to it.
  tx.later(
    tx.q
      .updateTable('servers')
      .set({
        fault: sql`IF(status = 'BUILD', ${error}, fault)`,
        status: sql`IF(status = 'BUILD', 'ERROR', status)`,
        task_state: null,
        updated_at: now,
      })
      .where('root_volume_id', '=', volumeId)
      .where('task_state', 'is not', null),
  );
}
