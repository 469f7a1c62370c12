import { storedOn } from './exports.ts';
import { flow } from './flow.ts';
import { dropEmptyGroupSnapshot, failGroupSnapshot, holdGroupSnapshot } from './groups.ts';
import { settle } from './settle.ts';
import { releaseSnapshot, setSnapshot } from './snapshots.ts';

export const snapshotDelete = flow('snapshot.delete')
  .task({
    name: 'snapshot',
    on: 'storage',
    task: 'snapshot.absent',
    waits: true,
    orStuck: true,
    do({ facts }) {
      if (facts.volume.pool === null) return null;
      const { agent, input } = storedOn(facts);
      return { host: agent, input: { ...input, snapshotId: facts.input.snapshotId } };
    },
    undo: { none: 'forward only: what has been wiped does not come back' },
  })
  .ends({
    done(tx, run) {
      const { groupSnapshotId } = run.facts.input;
      holdGroupSnapshot(tx, groupSnapshotId);
      releaseSnapshot(tx, run.facts);
      tx.later(tx.q.deleteFrom('snapshots').where('id', '=', run.facts.input.snapshotId));
      dropEmptyGroupSnapshot(tx, groupSnapshotId);
      settle(tx, run, null);
    },
    undone(tx, run) {
      failGroupSnapshot(tx, run, run.facts.input.groupSnapshotId);
      setSnapshot(tx, run, 'error_deleting');
      settle(tx, run, null);
    },
    stuck(tx, run) {
      failGroupSnapshot(tx, run, run.facts.input.groupSnapshotId);
      setSnapshot(tx, run, 'error_deleting');
      settle(tx, run, null);
    },
  });
