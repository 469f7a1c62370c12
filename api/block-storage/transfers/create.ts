import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type TransferId } from '#schema/ids.ts';
import { findVolume } from '../volumes/rows.ts';
import { newKey } from './key.ts';
import type { TransferRow } from './rows.ts';
import type { NewTransfer } from './schema.ts';
import { detailView } from './view.ts';

/**
 * Offers a volume, and its snapshots unless that is not wanted, to whoever is told the key.
 * @param encrypted whether an encrypted one can be offered.
 */
export async function createTransfer(
  context: RequestContext,
  wanted: NewTransfer,
  encrypted: boolean,
): Promise<Reply> {
  const { app } = context;
  const volume = await findVolume(context, wanted.volume_id);
  if (volume.status !== 'available') throw invalidVolume('status must be available');
  if (volume.encryption_key_id !== null) checkEncrypted(wanted, encrypted);
  if (volume.group_id !== null) throw invalidVolume(`Volume ${volume.id} must not be part of a group.`);
  const noSnapshots = wanted.no_snapshots === true;
  if (!noSnapshots) await checkSnapshots(context, volume.id);
  const { key, ...kept } = newKey();
  const row: TransferRow = {
    id: asId<TransferId>(app.ids.uuid()),
    volume_id: volume.id,
    source_project_id: volume.project_id,
    name: wanted.name ?? null,
    ...kept,
    no_snapshots: noSnapshots ? 1 : 0,
    created_at: sqlTime(app.clock.now()),
  };
  await transaction(app.db, async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'awaiting-transfer', updated_at: row.created_at })
        .where('id', '=', volume.id)
        .where('status', '=', 'available')
        .where('group_id', 'is', null),
    );
    // Left by one whose volume was reset by hand.
    tx.later(tx.q.deleteFrom('volume_transfers').where('volume_id', '=', volume.id));
    tx.later(tx.q.insertInto('volume_transfers').values(row));
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? invalidVolume('status must be available') : error;
  });
  return { status: 202, body: { transfer: { ...detailView(context, row), auth_key: key } } };
}

/** @throws ApiError 400 where the key cannot go with all that it opens. */
function checkEncrypted({ no_snapshots }: NewTransfer, encrypted: boolean): void {
  if (!encrypted) throw invalidVolume('transferring encrypted volume is not supported');
  if (no_snapshots === true)
    throw invalidVolume('transferring an encrypted volume without its snapshots is not supported');
}

/** @throws ApiError 400 while anything is being done with one. */
export async function checkSnapshots(
  { app }: RequestContext,
  volumeId: TransferRow['volume_id'],
): Promise<void> {
  const busy = await app.db
    .selectFrom('snapshots')
    .select('id')
    .where('volume_id', '=', volumeId)
    .where('status', '<>', 'available')
    .limit(1)
    .executeTakeFirst();
  if (busy !== undefined) {
    throw badRequest(`Invalid snapshot: snapshot: ${busy.id} status must be available`);
  }
}
