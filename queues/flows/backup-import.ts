import { TaskError } from '#schema/tasks.ts';
import { settleBackup } from './backups.ts';
import { flow } from './flow.ts';

/** A record from elsewhere is believed when its data are in the store. */
export const backupImport = flow('backup.import')
  .local({
    // A deletion that begins later sees this record, and leaves the data.
    name: 'kept',
    async do(tx, { facts: { backup } }) {
      const going = await tx.rows(
        tx.q
          .selectFrom('backups')
          .select('id')
          .where('data_id', '=', backup.data_id)
          .where('id', '<>', backup.id)
          .where('status', '=', 'deleting'),
      );
      if (going.length > 0) throw new TaskError('refused', 'the backup’s data are being deleted');
      return null;
    },
    undo: { none: 'only looks' },
  })
  .task({
    name: 'find',
    on: 'storage',
    task: 'backup.find',
    lane: 'backup',
    do: ({ facts: { backup, input } }) => ({
      host: input.host,
      input: { ...input.data, sizeGib: backup.size_gib },
    }),
    undo: { none: 'only looks' },
  })
  .ends({
    done: (tx, run) => settleBackup(tx, run, 'available'),
    undone: (tx, run) => settleBackup(tx, run, 'error', { fail_reason: run.error }),
    stuck: (tx, run) => settleBackup(tx, run, 'error', { fail_reason: run.error }),
  });
