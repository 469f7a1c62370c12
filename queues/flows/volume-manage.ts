import type { PoolName } from '#schema/ids.ts';
import { poolParts } from '#schema/pools.ts';
import type { TaskInput } from '#schema/tasks.ts';
import { adopted, forgotten } from '../placement/adopted.ts';
import { type Facts, placed } from './facts.ts';
import { flow } from './flow.ts';
import { settle } from './settle.ts';

/**
 * Makes a volume of what lies on a backend under another name. Nothing of it is ever removed: what cannot be taken keeps
 * its name, or gets it back.
 */
export const volumeManage = flow('volume.manage')
  .local({
    name: 'place',
    async do(tx, { facts: { volume, input } }) {
      await adopted(tx, input.pool, volume.size_gib);
      tx.later(tx.q.updateTable('volumes').set({ pool: input.pool }).where('id', '=', volume.id));
      return { pool: input.pool };
    },
    undo: (tx, { facts: { volume, input } }) => forgotten(tx, input.pool, volume.size_gib),
  })
  .task({
    name: 'adopt',
    on: 'storage',
    task: 'volume.adopt',
    do({ facts, out }) {
      const { host, input } = named(facts, out.place.pool, facts.input.name);
      return { host, input: { ...input, sizeGib: facts.volume.size_gib } };
    },
    undo: {
      task: 'volume.release',
      do: ({ facts }) => named(facts, facts.input.pool, facts.input.name),
    },
  })
  .ends({
    done: (tx, run) => settle(tx, run, 'available'),
    undone: (tx, run) => settle(tx, run, 'error_managing', { pool: null }),
    // Without a place, so that deleting the volume removes no data: what lies there is an orphan, which drift tells.
    stuck(tx, run) {
      forgotten(tx, run.facts.input.pool, run.facts.volume.size_gib);
      settle(tx, run, 'error_managing', { pool: null });
    },
  });

/** The agent and the words for giving or taking a name. */
export function named(
  { volume }: Pick<Facts, 'volume'>,
  pool: PoolName = placed(volume),
  name: string,
): { host: ReturnType<typeof poolParts>['agent']; input: TaskInput<'volume.release'> } {
  const { agent, backend } = poolParts(pool);
  return { host: agent, input: { volumeId: volume.id, backend, name } };
}
