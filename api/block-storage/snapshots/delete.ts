import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { GroupSnapshotId, OperationId } from '#schema/ids.ts';
import { SNAPSHOT_STATUSES, type SnapshotStatus, snapshotStatusesBefore } from '#schema/states.ts';
import { refuseFrozen } from '../services/freeze.ts';
import type { VolumeRow } from '../volumes/rows.ts';
import { findSnapshot, type SnapshotRow, volumeOf } from './rows.ts';
import { lockIdle } from './status.ts';

const DELETABLE = snapshotStatusesBefore('deleting');

/** Begins the deletion, unless a volume is being made from the snapshot at this moment. */
export async function deleteSnapshot(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const snapshot = await findSnapshot(context, id);
  const volume = await volumeOf(context, snapshot);
  await refuseFrozen(app, [volume]);
  const operation = await transaction(app.db, (tx) => drop(context, tx, volume, snapshot)).catch(
    (error: unknown) => {
      if (!(error instanceof LostRow)) throw error;
      const free = DELETABLE.includes(snapshot.status) && snapshot.group_snapshot_id === null;
      const why = free ? 'no volume may be in creation from it' : 'must not be part of a group';
      throw badRequest(`Invalid snapshot: Snapshot status must be available or error and ${why}.`);
    },
  );
  app.operations.submit(operation);
  return { status: 202 };
}

/** From whatever status it has, unless an operation of ours is at work on it. */
export async function forceDeleteSnapshot(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const snapshot = await findSnapshot(context, id);
  const volume = await volumeOf(context, snapshot);
  await refuseFrozen(app, [volume]);
  const operation = await transaction(app.db, async (tx) => {
    await lockIdle(tx, snapshot);
    return drop(context, tx, volume, snapshot, SNAPSHOT_STATUSES);
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw badRequest(
      'Invalid snapshot: Snapshot must not be part of a group, and no volume may be in creation from it.',
    );
  });
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
    // Left to another project when this one was given the volume.
    if (snapshot.project_id !== volume.project_id) throw new LostRow("a snapshot is another project's");
    const operation = await drop(context, tx, volume, snapshot);
    first ??= operation;
  }
  return first;
}

/** @param group the group snapshot that goes with it; one that is part of a group snapshot goes no other way. */
export function drop(
  { app, caller, requestId }: RequestContext,
  tx: Tx,
  volume: Pick<VolumeRow, 'id'>,
  { id, project_id: projectId }: Pick<SnapshotRow, 'id' | 'project_id'>,
  from: readonly SnapshotStatus[] = DELETABLE,
  group: GroupSnapshotId | null = null,
): Promise<OperationId> {
  // The lock comes first: a volume that is made from it holds it too.
  tx.later(tx.q.selectFrom('snapshots').select('id').where('id', '=', id).forUpdate());
  tx.must(
    tx.q
      .updateTable('snapshots')
      .set({ status: 'deleting', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', id)
      .where('status', 'in', from)
      .where('group_snapshot_id', group === null ? 'is' : '=', group)
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
    projectId,
    userId: caller.userId,
    requestId,
    input: { snapshotId: id, ...(group !== null && { groupSnapshotId: group }) },
  });
}
