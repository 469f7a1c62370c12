import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import type { GroupSnapshotStatus } from '#schema/states.ts';
import { refuseFrozen } from '../services/freeze.ts';
import { drop } from '../snapshots/delete.ts';
import { findGroupSnapshot, type GroupSnapshotRow } from './rows.ts';

/** Cinder leaves one that could not be deleted to an administrator; here it can be tried again. */
const DELETABLE: readonly GroupSnapshotStatus[] = ['available', 'error', 'error_deleting'];

/** Begins the deletion of each of its snapshots, all of them or none; it goes with the last. */
export async function deleteGroupSnapshot(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const row = await findGroupSnapshot(context, id);
  const volumes = await app.db
    .selectFrom('snapshots')
    .innerJoin('volumes', 'volumes.id', 'snapshots.volume_id')
    .select('volumes.pool')
    .where('snapshots.group_snapshot_id', '=', row.id)
    .execute();
  await refuseFrozen(app, volumes);
  const begun = await transaction(app.db, (tx) => begin(context, tx, row)).catch((error: unknown) => {
    throw error instanceof LostRow ? refused() : error;
  });
  for (const operation of begun) app.operations.submit(operation);
  return { status: 202 };
}

const refused = (): ApiError =>
  badRequest(
    'Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently using it as source for its creation.',
  );

async function begin(context: RequestContext, tx: Tx, row: GroupSnapshotRow): Promise<OperationId[]> {
  // A volume that is made from one of them is looked for snapshot by snapshot.
  tx.must(
    tx.q
      .updateTable('group_snapshots')
      .set({ status: 'deleting', updated_at: sqlTime(context.app.clock.now()) })
      .where('id', '=', row.id)
      .where('status', 'in', DELETABLE),
  );
  const snapshots = await tx.rows(
    tx.q
      .selectFrom('snapshots')
      .select(['id', 'project_id', 'volume_id', 'status'])
      .where('group_snapshot_id', '=', row.id)
      .forUpdate(),
  );
  if (snapshots.length === 0) tx.later(tx.q.deleteFrom('group_snapshots').where('id', '=', row.id));
  const begun: OperationId[] = [];
  for (const snapshot of snapshots) {
    // One that is going already has an operation that knows of the group snapshot.
    if (snapshot.status === 'deleting') continue;
    begun.push(await drop(context, tx, { id: snapshot.volume_id }, snapshot, undefined, row.id));
  }
  return begun;
}
