import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { snapshotStatusesBefore } from '#schema/states.ts';
import { findSnapshot, volumeOf } from '../snapshots/rows.ts';
import { unmanagedName } from './stored.ts';

/** Forgets a snapshot of which no volume is being made; its data stay, under a name that says of which volume they are. */
export async function unmanageSnapshot(context: RequestContext, id: string): Promise<Reply> {
  const { app, caller } = context;
  const snapshot = await findSnapshot(context, id);
  const volume = await volumeOf(context, snapshot);
  const operation = await transaction(app.db, async (tx) => {
    // The lock comes first: a volume that is made from it holds it too.
    tx.later(tx.q.selectFrom('snapshots').select('id').where('id', '=', snapshot.id).forUpdate());
    tx.must(
      tx.q
        .updateTable('snapshots')
        .set({ status: 'unmanaging', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', snapshot.id)
        .where('status', 'in', snapshotStatusesBefore('unmanaging'))
        .where('group_snapshot_id', 'is', null)
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('volumes')
                .select('id')
                .where('snapshot_id', '=', snapshot.id)
                .where('status', '=', 'creating'),
            ),
          ),
        ),
    );
    return app.operations.begin(tx, {
      kind: 'snapshot.unmanage',
      volumeId: volume.id,
      projectId: snapshot.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { snapshotId: snapshot.id, name: unmanagedName(snapshot.id, volume.id) },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw badRequest(
      'Invalid snapshot: Snapshot status must be available or error and must not be part of a group.',
    );
  });
  app.operations.submit(operation);
  return { status: 202 };
}
