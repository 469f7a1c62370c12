import { poolParts } from '#schema/pools.ts';
import type { Tx } from '../transaction.ts';
import { settleBackup } from './backups.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { restoreStatus } from './settle.ts';

function failed(tx: Tx, run: Run<'backup.create', unknown>): void {
  settleBackup(tx, run, 'error', { fail_reason: run.error });
  restoreStatus(tx, run);
}

/** Holds the backup, not the volume: its status keeps others off the volume, and nobody waits for a snapshot's. */
export const backupCreate = flow('backup.create')
  .task({
    name: 'data',
    on: 'storage',
    task: 'backup.ensure',
    withinS: fillWithinS,
    lane: 'backup',
    // The volume is free when nobody reads it any more.
    finishes: true,
    do({ facts: { operation, backup, input } }) {
      const { agent, backend } = poolParts(input.pool);
      return {
        host: agent,
        input: {
          ...input.data,
          volumeId: operation.volume_id,
          backend,
          snapshotId: input.snapshotId,
          sizeGib: backup.size_gib,
        },
      };
    },
    undo: {
      none: 'what there is stays with a backup in error, and goes when that is deleted: the store may be away',
    },
  })
  .ends({
    done(tx, run) {
      settleBackup(tx, run, 'available', { object_count: run.out.data?.objects ?? 0 });
      restoreStatus(tx, run);
    },
    undone: failed,
    stuck: failed,
  });
