import { sql, type Updateable } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { BackupId } from '#schema/ids.ts';
import type { BackupOperationKind, OperationKind } from '#schema/operations.ts';
import { type BackupStatus, backupStatusesBefore } from '#schema/states.ts';
import type { BackupsTable } from '#schema/tables.ts';
import type { Tx } from '../transaction.ts';
import type { Run } from './flow.ts';

type Changes = Pick<Updateable<BackupsTable>, 'object_count' | 'fail_reason'>;
type BackupRun = { [K in BackupOperationKind]: Run<K, unknown> }[BackupOperationKind];

/** Gives the backup its next status and lets go of it: the oldest operation that waits for it is the next holder. */
export function settleBackup(tx: Tx, run: BackupRun, status: BackupStatus, changes: Changes = {}): void {
  const { backup, operation } = run.facts;
  tx.later(
    tx.q
      .updateTable('backups')
      .set({
        ...changes,
        status: unlessTaken(status),
        operation_id: sql`(SELECT next.id FROM operations AS next WHERE next.backup_id = ${backup.id}
          AND next.state = 'queued' AND next.id <> ${operation.id} ORDER BY next.seq_base LIMIT 1)`,
        updated_at: sqlTime(run.clock.now()),
      })
      .where('id', '=', backup.id),
  );
}

/** A volume has been written from the backup, or could not be: other volumes may be now. */
export function endRestore(tx: Tx, run: Run<OperationKind, unknown>, backupId: string): void {
  tx.later(
    tx.q
      .updateTable('backups')
      .set({ status: 'available', updated_at: sqlTime(run.clock.now()) })
      .where('id', '=', backupId as BackupId)
      .where('status', '=', 'restoring'),
  );
}

/** A backup that is deleted by force while it is made stays so. */
function unlessTaken(to: BackupStatus) {
  return sql<BackupStatus>`IF(backups.status IN (${sql.join(backupStatusesBefore(to))}), ${to}, backups.status)`;
}
