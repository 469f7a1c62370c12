import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { charged } from '../quotas/charge.ts';
import { volumeCharge } from '../quotas/charges.ts';
import { withoutName } from '../quotas/refusal.ts';
import type { VolumeRow } from '../volumes/rows.ts';
import { checkSnapshots } from './create.ts';
import { isKey } from './key.ts';
import { noTransfer, readTransfer, type TransferRow } from './rows.ts';
import { summaryView } from './view.ts';

/** Gives the volume to the caller's project, snapshots and all that is charged for them, in one transaction. */
export async function acceptTransfer(context: RequestContext, id: string, key: string): Promise<Reply> {
  const { app, caller } = context;
  const transfer = await readTransfer(context, id);
  if (!isKey(transfer, key)) {
    throw badRequest(`Invalid auth key: Attempt to transfer ${transfer.id} with invalid auth key.`);
  }
  const volume = await app.volumes.load(transfer.volume_id);
  if (volume === undefined) throw noTransfer(id);
  const sizes = transfer.no_snapshots === 1 ? [] : await snapshotSizes(context, transfer);
  const charge = volumeCharge({ ...volume, project_id: caller.projectId }, sizes);
  await charged(context, [charge], (tx) => hand(context, tx, transfer, volume)).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw withoutName(error, 'VolumeSizeExceedsAvailableQuota');
    throw invalidVolume(
      `Transfer ${transfer.id}: Volume id ${volume.id} expected in awaiting-transfer state.`,
    );
  });
  return { status: 202, body: { transfer: summaryView(context, transfer) } };
}

/** @returns GiB of each. */
async function snapshotSizes(context: RequestContext, transfer: TransferRow): Promise<number[]> {
  await checkSnapshots(context, transfer.volume_id);
  const snapshots = await context.app.db
    .selectFrom('snapshots')
    .select('size_gib')
    .where('volume_id', '=', transfer.volume_id)
    .execute();
  return snapshots.map((snapshot) => snapshot.size_gib);
}

/** @throws LostRow when the offer is gone, or the volume is no longer as it was offered. */
async function hand(
  { app, caller }: RequestContext,
  tx: Tx,
  transfer: TransferRow,
  volume: VolumeRow,
): Promise<void> {
  const owner = {
    project_id: caller.projectId,
    user_id: caller.userId,
    updated_at: sqlTime(app.clock.now()),
  };
  tx.must(
    tx.q
      .updateTable('volumes')
      .set({ ...owner, status: 'available' })
      .where('id', '=', volume.id)
      .where('status', '=', 'awaiting-transfer')
      .where('size_gib', '=', volume.size_gib),
  );
  if (volume.encryption_key_id !== null) app.keys.hand(tx, volume.encryption_key_id, caller.projectId);
  tx.must(tx.q.deleteFrom('volume_transfers').where('id', '=', transfer.id));
  if (transfer.no_snapshots === 1) return;
  const busy = await tx.rows(
    tx.q
      .selectFrom('snapshots')
      .select('id')
      .where('volume_id', '=', volume.id)
      .where('status', '<>', 'available')
      .limit(1)
      .forUpdate(),
  );
  if (busy[0] !== undefined) {
    throw badRequest(
      `Invalid snapshot: Transfer ${transfer.id}: Snapshot ${busy[0].id} is not in the expected available state.`,
    );
  }
  tx.later(tx.q.updateTable('snapshots').set(owner).where('volume_id', '=', volume.id));
}
