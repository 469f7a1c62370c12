import { TaskError } from '#schema/tasks.ts';
import { forgotten } from '../placement/adopted.ts';
import { placed } from './facts.ts';
import { flow } from './flow.ts';
import { settle } from './settle.ts';
import { named } from './volume-manage.ts';

/** Forgets a volume and leaves its data where they are, under a name by which they can be managed again. */
export const volumeUnmanage = flow('volume.unmanage')
  .task({
    name: 'release',
    on: 'storage',
    task: 'volume.release',
    waits: true,
    do({ facts }) {
      if (facts.snapshots > 0)
        throw new TaskError('refused', `the volume still has ${facts.snapshots} snapshot(s)`);
      if (facts.attachments.length > 0) throw new TaskError('refused', 'the volume is attached');
      return named(facts, placed(facts.volume), facts.input.name);
    },
    undo: { none: 'asked for again it goes on where it was; until then nothing is forgotten' },
  })
  .ends({
    done(tx, { facts: { volume } }) {
      tx.later(tx.q.deleteFrom('volumes').where('id', '=', volume.id));
      forgotten(tx, placed(volume), volume.size_gib);
    },
    undone: (tx, run) => settle(tx, run, 'error_unmanaging'),
    stuck: (tx, run) => settle(tx, run, 'error_unmanaging'),
  });
