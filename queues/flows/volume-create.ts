import { poolParts } from '#schema/pools.ts';
import { place, release } from '../placement/place.ts';
import { flow } from './flow.ts';
import { settle } from './settle.ts';

export const volumeCreate = flow('volume.create')
  .local({
    name: 'place',
    async do(trx, { facts: { volume, extraSpecs }, clock, weights }) {
      const wanted = { sizeGib: volume.size_gib, availabilityZone: volume.availability_zone, extraSpecs };
      const { name } = await place(trx, wanted, weights, clock.now());
      await trx.updateTable('volumes').set({ pool: name }).where('id', '=', volume.id).execute();
      return { pool: name };
    },
    async undo(trx, { facts: { volume }, out }) {
      const pool = out.place?.pool ?? volume.pool;
      if (pool !== null) await release(trx, pool, volume.size_gib, 1);
    },
  })
  .task({
    name: 'volume',
    on: 'storage',
    task: 'volume.ensure',
    do({ facts: { volume }, out }) {
      const { agent, backend } = poolParts(out.place.pool);
      return { host: agent, input: { volumeId: volume.id, backend, sizeGib: volume.size_gib } };
    },
    undo: {
      task: 'volume.absent',
      do({ facts: { volume }, out }) {
        const pool = out.place?.pool ?? volume.pool;
        if (pool === null) return null;
        const { agent, backend } = poolParts(pool);
        return { host: agent, input: { volumeId: volume.id, backend } };
      },
    },
  })
  .ends({
    done: (trx, run) => settle(trx, run, 'available'),
    undone: (trx, run) => settle(trx, run, 'error', { pool: null }),
    stuck: (trx, run) => settle(trx, run, 'error'),
  });
