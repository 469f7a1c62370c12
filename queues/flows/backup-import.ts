import { settleBackup } from './backups.ts';
import { flow } from './flow.ts';

/** A record from elsewhere is believed when its data are in the store. */
export const backupImport = flow('backup.import')
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
