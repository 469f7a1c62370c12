import { flow } from './flow.ts';
import { settle } from './settle.ts';
import { namedSnapshot } from './snapshot-manage.ts';
import { forgetSnapshot, setSnapshot } from './snapshots.ts';

/** Forgets a snapshot and leaves its data where they are, under a name by which they can be managed again. */
export const snapshotUnmanage = flow('snapshot.unmanage')
  .task({
    name: 'release',
    on: 'storage',
    task: 'snapshot.release',
    waits: true,
    do: ({ facts }) => namedSnapshot(facts),
    undo: { none: 'asked for again it goes on where it was; until then nothing is forgotten' },
  })
  .ends({
    done(tx, run) {
      forgetSnapshot(tx, run.facts);
      tx.later(tx.q.deleteFrom('snapshots').where('id', '=', run.facts.input.snapshotId));
      settle(tx, run, null);
    },
    undone(tx, run) {
      setSnapshot(tx, run, 'error_unmanaging');
      settle(tx, run, null);
    },
    stuck(tx, run) {
      setSnapshot(tx, run, 'error_unmanaging');
      settle(tx, run, null);
    },
  });
