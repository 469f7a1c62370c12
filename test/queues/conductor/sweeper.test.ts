import assert from 'node:assert/strict';
import { freeOrphans, type SweeperDeps, sayAlive } from '#queues/conductor/sweeper.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type OperationId } from '#schema/ids.ts';
import { createYard } from '#test/support/yard.ts';

describe('sweeper', () => {
  it('finds an orphan behind any number of operations that others have in hand', async () => {
    await using yard = await createYard();
    const me = (host: string): SweeperDeps => ({
      db: yard.db,
      clock: systemClock,
      host: asId(host),
      bootId: 'b',
      version: 'test',
      availabilityZone: 'nova',
    });
    await sayAlive(me('other'));
    const volume = await yard.addVolume('deleting', true);
    // The last ones in whatever order they are read.
    const row = (owner: string, id = systemIds.uuid().replace(/^../, '00')) => ({
      id: asId<OperationId>(id),
      kind: 'volume.delete',
      state: 'running' as const,
      project_id: asId<never>('p1'),
      user_id: asId<never>('u1'),
      request_id: 'r',
      volume_id: volume,
      attachment_id: null,
      input: '{}',
      owner,
      seq_base: 64,
      error: null,
      created_at: sqlTime(systemClock.now()),
      started_at: null,
      ended_at: null,
    });
    await yard.db
      .insertInto('operations')
      .values(Array.from({ length: 1_100 }, () => row('other/b')))
      .execute();
    const running = row('mine/b', 'ffffffff-0000-4000-8000-000000000000');
    const abandoned = row('mine/b', 'ffffffff-0000-4000-8000-000000000001');
    const orphan = row('mine/former', 'ffffffff-0000-4000-8000-000000000002');
    await yard.db.insertInto('operations').values([running, abandoned, orphan]).execute();

    await freeOrphans(me('mine'), new Set([running.id]));
    const free = await yard.db.selectFrom('operations').select('id').where('owner', 'is', null).execute();
    assert.deepEqual(new Set(free.map(({ id }) => id)), new Set([abandoned.id, orphan.id]));
  });
});
