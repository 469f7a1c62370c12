import { TaskError } from '#schema/tasks.ts';
import { dropKey } from '../key-manager/drop-key.ts';
import type { Tx } from '../transaction.ts';
import { endRestore } from './backups.ts';
import { storedOn } from './exports.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { settle } from './settle.ts';
import { WIPE } from './wipe.ts';

function restored(tx: Tx, run: Run<'backup.restore', unknown>): void {
  const { keyId } = run.facts.input;
  if (keyId !== undefined) dropKey(tx, run.facts.volume);
  settle(tx, run, 'available', keyId === undefined ? {} : { encryption_key_id: keyId });
  endRestore(tx, run, run.facts.input.backupId);
}

/** Restored again it gets a key that fits whatever of the data is there. */
function failed(tx: Tx, run: Run<'backup.restore', unknown>): void {
  if (!run.outrun) dropKey(tx, { encryption_key_id: run.facts.input.keyId ?? null });
  settle(tx, run, 'error_restoring');
  endRestore(tx, run, run.facts.input.backupId);
}

/** Over a volume that exists; one that is made from a backup is filled by `volume.create`. */
export const backupRestore = flow('backup.restore')
  .task({
    // In the volume's own line: what comes later for it must find that nobody writes to it any more.
    name: 'restore',
    on: 'storage',
    task: 'backup.restore',
    withinS: fillWithinS,
    // The host goes on with what it has begun: the key must be that of the data that it puts there.
    finishes: true,
    do({ facts }) {
      if (facts.input.keyId !== undefined && facts.snapshots > 0)
        throw new TaskError('refused', 'the volume has snapshots, which its present key opens');
      const { agent, input } = storedOn(facts);
      return { host: agent, input: { ...input, ...facts.input.data, sizeGib: facts.volume.size_gib } };
    },
    undo: {
      none: 'what the volume had may be gone; the status says so until it is restored again or deleted',
    },
  })
  .task(WIPE)
  .ends({
    done: restored,
    undone: failed,
    stuck: (tx, run) => (run.outrun || run.out.restore === undefined ? failed : restored)(tx, run),
  });
