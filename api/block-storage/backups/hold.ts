import type { Tx } from '#queues/transaction.ts';
import type { VolumeId } from '#schema/ids.ts';
import type { BackupRow } from './rows.ts';

/** One restore at a time, as in Cinder, and no deletion meanwhile. @throws LostRow in the transaction */
export function holdForRestore(
  tx: Tx,
  now: string,
  { id }: Pick<BackupRow, 'id'>,
  volume: VolumeId | null,
): void {
  tx.must(
    tx.q
      .updateTable('backups')
      .set({ status: 'restoring', updated_at: now, restore_volume_id: volume })
      .where('id', '=', id)
      .where('status', '=', 'available'),
  );
}
