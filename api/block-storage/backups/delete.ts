import type { RequestContext } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { type BackupStatus, backupStatusesBefore } from '#schema/states.ts';
import { findBackupHost, noBackupService } from './hosts.ts';
import { dataOf, findBackup, invalidBackup } from './rows.ts';

const DELETABLE: readonly BackupStatus[] = ['available', 'error'];

/** @param force whatever is being done with it: the deletion waits until that has ended. */
export async function deleteBackup(
  context: RequestContext,
  id: string,
  { force }: { readonly force: boolean },
): Promise<Reply> {
  const { app, caller } = context;
  const backup = await findBackup(context, id);
  const from = force ? backupStatusesBefore('deleting') : DELETABLE;
  if (!from.includes(backup.status)) {
    if (force) throw conflict(`Backup ${backup.id} is being deleted.`);
    throw invalidBackup('Backup status must be available or error');
  }
  if (backup.dependents === 1) throw invalidBackup('Incremental backups exist for this backup.');
  const host =
    backup.store === null ? null : await findBackupHost(app, { store: backup.store, preferred: backup.host });
  if (host === undefined) throw noBackupService(404);
  const operation = await transaction(app.db, async (tx) => {
    tx.later(tx.q.selectFrom('backups').select('id').where('id', '=', backup.id).forUpdate());
    tx.must(
      tx.q
        .updateTable('backups')
        .set({ status: 'deleting', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', backup.id)
        .where('status', 'in', from)
        .where((eb) =>
          eb.not(
            eb.exists(
              // MySQL does not read from the table that it changes, except by way of one that it makes of it.
              eb
                .selectFrom(
                  eb.selectFrom('backups').select('parent_id').where('parent_id', '=', backup.id).as('d'),
                )
                .select('d.parent_id'),
            ),
          ),
        ),
    );
    return app.operations.begin(tx, {
      kind: 'backup.delete',
      volumeId: backup.volume_id,
      backupId: backup.id,
      projectId: backup.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { data: dataOf(backup), host: host?.agent ?? null },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidBackup(
      'Backup status must be available or error, and no incremental backup may exist for it.',
    );
  });
  app.operations.submit(operation);
  return { status: 202 };
}
