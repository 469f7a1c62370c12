import type { RequestContext } from '#api/http/context.ts';
import { badRequest, conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { checkStorage } from '../services/down.ts';
import { findVolume } from './rows.ts';

/** Gives a volume that nobody uses the data of its newest snapshot, which must be the one that is named. */
export async function revertVolume(context: RequestContext, id: string, snapshotId: unknown): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  const newest = await app.db
    .selectFrom('snapshots')
    .selectAll()
    .where('volume_id', '=', volume.id)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (newest === undefined) throw badRequest(`Volume ${volume.id} doesn't have any snapshots.`);
  if (snapshotId !== newest.id) {
    throw badRequest(
      `Specified snapshot ${typeof snapshotId === 'string' ? snapshotId.slice(0, 255) : 'None'} is None or not the latest one of volume ${volume.id}.`,
    );
  }
  if (newest.size_gib !== volume.size_gib) {
    throw badRequest(
      `Can't revert volume ${volume.id} to its latest snapshot ${newest.id}. The volume size must be equal to the snapshot size.`,
    );
  }
  await checkStorage(app, volume);
  const refused = (what: string): Error =>
    conflict(
      `Invalid ${what.toLowerCase()}: Can't revert volume ${volume.id} to its latest snapshot ${newest.id}. ${what}'s status must be 'available'.`,
    );
  const now = sqlTime(app.clock.now());
  const operation = await transaction(app.db, async (tx) => {
    const { matched } = await tx.change(
      tx.q
        .updateTable('volumes')
        .set({ status: 'reverting', updated_at: now })
        .where('id', '=', volume.id)
        .where('status', '=', 'available')
        .where('size_gib', '=', newest.size_gib),
    );
    if (matched === 0) throw refused('Volume');
    tx.must(
      tx.q
        .updateTable('snapshots')
        .set({ status: 'restoring', updated_at: now })
        .where('id', '=', newest.id)
        .where('status', '=', 'available'),
    );
    return app.operations.begin(tx, {
      kind: 'volume.revert',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { snapshotId: newest.id },
    });
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? refused('Snapshot') : error;
  });
  app.operations.submit(operation);
  return { status: 202 };
}
