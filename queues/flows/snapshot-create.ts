import { NoValidPool, reserve } from '../placement/place.ts';
import type { Tx } from '../transaction.ts';
import { storedOn } from './exports.ts';
import { placed } from './facts.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { holdGroupSnapshot, settleGroupSnapshot } from './groups.ts';
import { settle } from './settle.ts';
import { releaseSnapshot, setSnapshot } from './snapshots.ts';

/**
 * A snapshot takes as much of its volume's pool as the volume had: as in Cinder, where each thin snapshot counts as
 * provisioned, and a thick one may come to hold a copy of all that was.
 */
export const snapshotCreate = flow('snapshot.create')
  .local({
    name: 'reserve',
    async do(tx, { facts: { volume, input } }) {
      if (!(await reserve(tx, placed(volume), volume.size_gib, 0))) {
        throw new NoValidPool(`${placed(volume)} has no room for a snapshot of ${volume.size_gib} GiB.`);
      }
      tx.must(
        tx.q
          .updateTable('snapshots')
          .set({ reserved: 1 })
          .where('id', '=', input.snapshotId)
          .where('size_gib', '=', volume.size_gib),
      );
      return {};
    },
    undo: (tx, { facts }) => releaseSnapshot(tx, facts),
  })
  .task({
    name: 'snapshot',
    on: 'storage',
    task: 'snapshot.ensure',
    // Where data are shared it takes a moment; a back end of plain files copies them.
    withinS: fillWithinS,
    do({ facts }) {
      const { agent, input } = storedOn(facts);
      return { host: agent, input: { ...input, snapshotId: facts.input.snapshotId } };
    },
    undo: {
      task: 'snapshot.absent',
      do({ facts }) {
        const { agent, input } = storedOn(facts);
        return { host: agent, input: { ...input, snapshotId: facts.input.snapshotId } };
      },
    },
  })
  .ends({
    done: (tx, run) => end(tx, run, 'available'),
    undone: (tx, run) => end(tx, run, 'error'),
    stuck: (tx, run) => end(tx, run, 'error'),
  });

function end(tx: Tx, run: Run<'snapshot.create', unknown>, status: 'available' | 'error'): void {
  const { groupSnapshotId } = run.facts.input;
  holdGroupSnapshot(tx, groupSnapshotId);
  setSnapshot(tx, run, status);
  settleGroupSnapshot(tx, run, groupSnapshotId);
  settle(tx, run, null);
}
