import { dropKey } from '../key-manager/drop-key.ts';
import { settleBackup } from './backups.ts';
import { flow } from './flow.ts';

export const backupDelete = flow('backup.delete')
  .local({
    // A record that was imported under another id shares its data; whoever goes last takes them along.
    name: 'sharers',
    async do(tx, { facts: { backup } }) {
      const sharers = await tx.rows(
        tx.q
          .selectFrom('backups')
          .select('id')
          .where('data_id', '=', backup.data_id)
          .where('id', '<>', backup.id)
          .where('status', 'not in', ['deleting', 'error_deleting']),
      );
      return { count: sharers.length };
    },
    undo: { none: 'only looks' },
  })
  .task({
    name: 'data',
    on: 'storage',
    task: 'backup.absent',
    waits: true,
    orStuck: true,
    lane: 'backup',
    do: ({ facts: { input }, out }) =>
      input.host === null || out.sharers.count > 0 ? null : { host: input.host, input: input.data },
    undo: { none: 'forward only: what has been removed does not come back' },
  })
  .ends({
    done(tx, { facts: { backup } }) {
      tx.later(tx.q.deleteFrom('backups').where('id', '=', backup.id));
      dropKey(tx, backup);
    },
    undone: (tx, run) => settleBackup(tx, run, 'error_deleting', { fail_reason: run.error }),
    stuck: (tx, run) => settleBackup(tx, run, 'error_deleting', { fail_reason: run.error }),
  });
