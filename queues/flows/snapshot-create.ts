import { NoValidPool, reserve } from '../placement/place.ts';
import { storedOn } from './exports.ts';
import { placed } from './facts.ts';
import { FILL_WITHIN_S } from './fill.ts';
import { flow } from './flow.ts';
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
    withinS: FILL_WITHIN_S,
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
    done(tx, run) {
      setSnapshot(tx, run, 'available');
      settle(tx, run, null);
    },
    undone(tx, run) {
      setSnapshot(tx, run, 'error');
      settle(tx, run, null);
    },
    stuck(tx, run) {
      setSnapshot(tx, run, 'error');
      settle(tx, run, null);
    },
  });
