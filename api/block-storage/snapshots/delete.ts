import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import { snapshotStatusesBefore } from '#schema/states.ts';
import { findVolume, type VolumeRow } from '../volumes/rows.ts';
import { findSnapshot, type SnapshotRow } from './rows.ts';

const DELETABLE = snapshotStatusesBefore('deleting');

/** Begins the deletion, unless a volume is being made from the snapshot at this moment. */
export async function deleteSnapshot(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const snapshot = await findSnapshot(context, id);
  const volume = await findVolume(context, snapshot.volume_id);
  const operation = await transaction(app.db, (tx) => drop(context, tx, volume, snapshot)).catch(
    (error: unknown) => {
      if (!(error instanceof LostRow)) throw error;
      throw badRequest(
        `Invalid snapshot: Snapshot status must be ${DELETABLE.join(' or ')}, and no volume may be in creation from it.`,
      );
    },
  );
  app.operations.submit(operation);
  return { status: 202 };
}

/** Begins the deletion of all snapshots of a volume; answers the first operation. @throws LostRow */
export async function dropSnapshots(
  context: RequestContext,
  tx: Tx,
  volume: VolumeRow,
): Promise<OperationId | undefined> {
  const snapshots = await tx.rows(
    tx.q
      .selectFrom('snapshots')
      .selectAll()
      .where('volume_id', '=', volume.id)
      .where('status', '<>', 'deleting')
      .forUpdate(),
  );
  let first: OperationId | undefined;
  for (const snapshot of snapshots) {
    const operation = await drop(context, tx, volume, snapshot);
    first ??= operation;
  }
  return first;
}

function drop(
  { app, caller, requestId }: RequestContext,
  tx: Tx,
  volume: VolumeRow,
  { id }: SnapshotRow,
): Promise<OperationId> {
  // The lock comes first: a volume that is made from it holds it too.
  tx.later(tx.q.selectFrom('snapshots').select('id').where('id', '=', id).forUpdate());
  tx.must(
    tx.q
      .updateTable('snapshots')
      .set({ status: 'deleting', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', id)
      .where('status', 'in', DELETABLE)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('volumes')
              .select('id')
              .where('snapshot_id', '=', id)
              .where('status', '=', 'creating'),
          ),
        ),
      ),
  );
  return app.operations.begin(tx, {
    kind: 'snapshot.delete',
    volumeId: volume.id,
    projectId: volume.project_id,
    userId: caller.userId,
    requestId,
    input: { snapshotId: id },
  });
}
