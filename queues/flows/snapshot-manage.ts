import { adoptedSnapshot } from '../placement/adopted.ts';
import { storedOn } from './exports.ts';
import { type Facts, placed } from './facts.ts';
import { flow } from './flow.ts';
import { settle } from './settle.ts';
import { forgetSnapshot, setSnapshot } from './snapshots.ts';

/**
 * Makes a snapshot of what lies beside its volume under another name. Nothing of it is ever removed: what cannot be taken keeps
 * its name, or gets it back.
 */
export const snapshotManage = flow('snapshot.manage')
  .local({
    name: 'count',
    async do(tx, { facts: { volume, input } }) {
      adoptedSnapshot(tx, placed(volume), volume.size_gib);
      tx.later(tx.q.updateTable('snapshots').set({ reserved: 1 }).where('id', '=', input.snapshotId));
      return {};
    },
    undo: (tx, { facts }) => forgetSnapshot(tx, facts),
  })
  .task({
    name: 'adopt',
    on: 'storage',
    task: 'snapshot.adopt',
    do({ facts }) {
      const { host, input } = namedSnapshot(facts);
      return { host, input: { ...input, sizeGib: facts.volume.size_gib } };
    },
    undo: { task: 'snapshot.release', do: ({ facts }) => namedSnapshot(facts) },
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

/** The agent and the words for giving or taking a snapshot's name. */
export function namedSnapshot(facts: Facts<'snapshot.manage' | 'snapshot.unmanage'>) {
  const { agent, input } = storedOn(facts);
  const { snapshotId, name } = facts.input;
  return { host: agent, input: { ...input, snapshotId, name } };
}
