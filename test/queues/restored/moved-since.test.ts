import assert from 'node:assert/strict';
import type { OperationId, PoolName, VolumeId } from '#schema/ids.ts';
import { createYard, type Yard } from '#test/support/yard.ts';
import { Hosts } from './hosts.ts';

/** A dump was made while a volume was copied to another pool; the move ended since, and its former data are gone. */
describe('a volume that was on its way in the backup of MySQL', () => {
  let yard: Yard;
  let hosts: Hosts;
  let volume: VolumeId;
  let id: OperationId;
  let pool: PoolName;

  const PLACES = [
    ['of one agent', 'stor1'],
    ['of two agents', 'stor2'],
  ] as const;

  /** Moves it for good, and puts MySQL back to the moment of the copy. */
  async function movedSince(agent: string): Promise<void> {
    yard = await createYard();
    hosts = new Hosts(yard);
    volume = await yard.addVolume('maintenance', true);
    pool = await yard.addPool(agent, 'more');
    hosts.put('stor1/files', volume, 'precious');
    const account = { username: 'mover', secret: 'sealed' };
    id = await yard.begin('volume.migrate', volume, { pool, policy: 'on-demand', account });
    await hosts.run(id);
    assert.equal((await volumeNow()).pool, pool);
    assert.deepEqual(
      [hosts.at('stor1/files', volume), hosts.at(`${agent}/more`, volume)],
      [undefined, 'precious'],
    );
    await yard.db
      .updateTable('operations')
      .set({ state: 'running', owner: null, ended_at: null, error: null, epoch: 1 })
      .execute();
    await yard.db.deleteFrom('operation_steps').where('name', 'not in', ['place', 'export']).execute();
    await yard.db
      .updateTable('volumes')
      .set({ pool: yard.pool, status: 'maintenance', operation_id: id, migration_status: 'migrating' })
      .execute();
    hosts.asked.length = 0;
  }

  const volumeNow = () => yard.db.selectFrom('volumes').selectAll().executeTakeFirstOrThrow();
  const operationNow = () =>
    yard.db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  for (const [where, agent] of PLACES) {
    it(`${where}: keeps its only data when a conductor goes on with it, as after a failover to a replica that was behind`, async () => {
      await movedSince(agent);
      await hosts.run(id);
      assert.equal(hosts.at(`${agent}/more`, volume), 'precious');
      assert.equal((await operationNow()).state, 'stuck');
      const { status, migration_status, operation_id } = await volumeNow();
      assert.deepEqual([status, migration_status, operation_id], ['error', 'error', null]);
      assert.ok(!hosts.asked.some((task) => task.endsWith('volume.absent')), hosts.asked.join());
    });

    it(`${where}: after "restored" it is where its data are, in error, and nobody goes on with it`, async () => {
      await movedSince(agent);
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'doubt');
      assert.match(plan.reason, /volume\.migrate was under way/);
      await hosts.run(id);
      assert.deepEqual(hosts.asked, []);
      assert.equal(hosts.at(`${agent}/more`, volume), 'precious');
      const { state, error } = await operationNow();
      assert.equal(state, 'stuck');
      assert.match(error ?? '', /nothing was undone or removed/);
      const now = await volumeNow();
      assert.deepEqual([now.status, now.pool, now.operation_id], ['error', pool, null]);
      const sums = await yard.db
        .selectFrom('pools')
        .select(['name', 'volume_count', 'allocated_gib'])
        .execute();
      assert.deepEqual(
        sums
          .map(({ name, volume_count }) => `${name === pool ? 'its pool' : 'other'}: ${volume_count}`)
          .toSorted(),
        ['its pool: 1', 'other: 0'],
      );
    });
  }

  it('is not taken for either of two places that both have it', async () => {
    await movedSince('stor2');
    hosts.put('stor1/files', volume, 'older');
    const [plan] = await hosts.restored();
    assert.equal(plan?.what, 'doubt');
    assert.match(plan.reason, /several places: .*stor1@files#files.*stor2@more#more|several places: .*stor2/);
    const { status, pool: told } = await volumeNow();
    assert.deepEqual([status, told], ['error', yard.pool]);
    assert.equal(hosts.at('stor2/more', volume), 'precious');
  });

  it('is not taken for either of two back ends of one host that have nothing else', async () => {
    await movedSince('stor1');
    hosts.put('stor1/files', volume, 'older');
    await yard.db.updateTable('operations').set({ state: 'done' }).execute();
    await yard.db.updateTable('volumes').set({ status: 'available', operation_id: null }).execute();
    const [plan] = await hosts.restored();
    assert.equal(plan?.what, 'doubt');
    assert.match(plan.reason, /several places/);
  });

  it('is in the zone of the place where its data are', async () => {
    await movedSince('stor2');
    await yard.db.updateTable('pools').set({ availability_zone: 'far' }).where('name', '=', pool).execute();
    await hosts.restored();
    const now = await volumeNow();
    assert.deepEqual([now.pool, now.availability_zone], [pool, 'far']);
  });

  it('is kept from everybody while a host is silent that may have it', async () => {
    await movedSince('stor2');
    hosts.silent.add('stor2');
    const [plan] = await hosts.restored();
    assert.equal(plan?.what, 'leave');
    await hosts.run(id);
    assert.deepEqual(hosts.asked, []);
    hosts.silent.clear();
    const [again] = await hosts.restored();
    assert.equal(again?.what, 'doubt');
    const now = await volumeNow();
    assert.deepEqual([now.status, now.pool, now.operation_id], ['error', pool, null]);
  });
});
