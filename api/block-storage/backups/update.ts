import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { BackupStatus } from '#schema/states.ts';
import { unexpected } from '../versioned-body.ts';
import { findBackup } from './rows.ts';
import type { BackupChanges } from './schema.ts';
import { METADATA_SINCE, summaryView } from './view.ts';

export async function updateBackup(
  context: RequestContext,
  id: string,
  wanted: BackupChanges,
): Promise<Reply> {
  const { app, microversion } = context;
  const { name, description, metadata } = wanted;
  if (metadata !== undefined && microversion < METADATA_SINCE) {
    throw unexpected('backup', wanted, ['metadata']);
  }
  const backup = await findBackup(context, id);
  const changes = {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }),
  };
  if (Object.keys(changes).length > 0) {
    await app.db
      .updateTable('backups')
      .set({ ...changes, updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', backup.id)
      .execute();
  }
  return { status: 200, body: { backup: summaryView(context, await findBackup(context, id)) } };
}

/** Statuses a backup may be put into by hand. */
const RESETTABLE = ['available', 'error'] as const satisfies BackupStatus[];

/** Corrects a backup's recorded status, but not while an operation is at work on it. */
export async function resetStatus(context: RequestContext, id: string, wanted: string): Promise<Reply> {
  const status = RESETTABLE.find((known) => known === wanted.toLowerCase());
  if (status === undefined) {
    throw new ApiError(
      400,
      `Backup status: ${wanted.slice(0, 100).toWellFormed()} is invalid, valid statuses are: ['available', 'error'].`,
    );
  }
  const { app } = context;
  const backup = await findBackup(context, id);
  await transaction(app.db, async (tx) => {
    tx.must(
      tx.q
        .updateTable('backups')
        .set({ status, updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', backup.id)
        .where('operation_id', 'is', null)
        // A restore is an operation of the volume.
        .where('status', '<>', 'restoring'),
    );
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw badRequest('Cannot reset-state while an operation is at work on the backup.');
  });
  return { status: 202 };
}
