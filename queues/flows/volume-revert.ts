import type { Tx } from '../transaction.ts';
import { storedOn } from './exports.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { settle } from './settle.ts';
import { setSnapshot } from './snapshots.ts';
import { WIPE } from './wipe.ts';

function reverted(tx: Tx, run: Run<'volume.revert', unknown>): void {
  setSnapshot(tx, run, 'available');
  settle(tx, run, 'available');
}

/** What was to be kept is kept; whether the volume holds the one or the other nobody has said. As in Cinder. */
function failed(tx: Tx, run: Run<'volume.revert', unknown>): void {
  setSnapshot(tx, run, 'available');
  settle(tx, run, 'error');
}

/** Gives a volume the data of its newest snapshot again. */
export const volumeRevert = flow('volume.revert')
  .task({
    name: 'rewrite',
    on: 'storage',
    task: 'volume.rewrite',
    withinS: fillWithinS,
    // What it does cannot be undone, and done again it comes to the same.
    waits: true,
    do({ facts }) {
      const { agent, input } = storedOn(facts);
      const { snapshotId } = facts.input;
      return {
        host: agent,
        input: {
          ...input,
          sizeGib: facts.volume.size_gib,
          source: { kind: 'snapshot', snapshotId, volumeId: facts.volume.id },
        },
      };
    },
    undo: {
      none: 'the volume keeps its data until the snapshot’s are all there; then it has what was asked for',
    },
  })
  .task(WIPE)
  .ends({
    done: reverted,
    undone: failed,
    stuck: (tx, run) => (run.outrun || run.out.rewrite === undefined ? failed : reverted)(tx, run),
  });
