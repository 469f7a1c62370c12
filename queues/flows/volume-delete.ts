import { TaskError } from '#schema/tasks.ts';
import { dropKey } from '../key-manager/drop-key.ts';
import { readStuckKeys } from '../key-manager/keys-to-be.ts';
import { release } from '../placement/place.ts';
import { storedOn } from './exports.ts';
import { flow } from './flow.ts';
import { dropEmptyGroup, failGroup, holdGroup } from './groups.ts';
import { settle } from './settle.ts';

const FORWARD = { none: 'forward only: what has been wiped does not come back' };

export const volumeDelete = flow('volume.delete')
  .task({
    // Also removes an export that nobody uses any more; refuses while somebody does.
    name: 'volume',
    on: 'storage',
    task: 'volume.absent',
    waits: true,
    orStuck: true,
    do({ facts }) {
      if (facts.snapshots > 0) {
        throw new TaskError('refused', `the volume still has ${facts.snapshots} snapshot(s)`);
      }
      if (facts.volume.pool === null) return null;
      const { agent, input } = storedOn(facts);
      return { host: agent, input };
    },
    undo: FORWARD,
  })
  .ends({
    async done(tx, { facts: { volume, input } }) {
      holdGroup(tx, input.groupId);
      tx.later(tx.q.deleteFrom('attachments').where('volume_id', '=', volume.id));
      tx.later(tx.q.deleteFrom('volumes').where('id', '=', volume.id));
      dropKey(tx, volume);
      // A retype that got stuck between two keys kept both, and marked the volume; it may have been moved since.
      if (volume.migration_status !== null)
        for (const key of await readStuckKeys(tx, volume.id)) dropKey(tx, { encryption_key_id: key });
      if (volume.pool !== null) release(tx, volume.pool, volume.size_gib, 1);
      dropEmptyGroup(tx, input.groupId);
    },
    undone(tx, run) {
      failGroup(tx, run, run.facts.input.groupId);
      settle(tx, run, 'error_deleting');
    },
    stuck(tx, run) {
      failGroup(tx, run, run.facts.input.groupId);
      settle(tx, run, 'error_deleting');
    },
  });
