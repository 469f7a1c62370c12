import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Evictions } from '#queues/conductor/evictions.ts';
import { letGo } from '#queues/drift/mysql-repairs.ts';
import { systemClock } from '#queues/system.ts';
import { sqlTime } from '#schema/clock.ts';
import {
  asId,
  type BackupId,
  type GroupId,
  type GroupSnapshotId,
  type HostName,
  type OperationId,
  type ProjectId,
  type UserId,
  type VolumeId,
} from '#schema/ids.ts';
import type { GroupStatus } from '#schema/states.ts';
import { TaskError } from '#schema/tasks.ts';
import { createYard, type Yard } from '#test/support/yard.ts';
import { Hosts } from './hosts.ts';

const COMP1 = 'iqn.2010-10.org.blockyard:host:comp1';
const NOVA = 'iqn.1993-08.org.debian:01:nova';

describe('"restored", volume by volume', () => {
  let yard: Yard;
  let hosts: Hosts;
  beforeEach(async () => {
    yard = await createYard();
    hosts = new Hosts(yard);
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  const volumeNow = (id: VolumeId) =>
    yard.db.selectFrom('volumes').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const operationNow = (id: OperationId) =>
    yard.db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  /** With its data where MySQL says. */
  const stored = async (status: Parameters<Yard['addVolume']>[0], luks = false): Promise<VolumeId> => {
    const volume = await yard.addVolume(status, true);
    hosts.put('stor1/files', volume, 'precious', luks);
    return volume;
  };
  /** A conductor is offered every operation that is open. */
  const workOn = async (): Promise<void> => {
    for (const { id } of await yard.db.selectFrom('operations').select('id').execute()) await hosts.run(id);
  };

  it('what writes over a volume never goes on; both keys of a retype stay, and a backup’s', async () => {
    const keys = { from: await yard.addKey(), to: await yard.addKey() };
    const retyped = await stored('retyping', true);
    await yard.db.updateTable('volumes').set({ encryption_key_id: keys.from }).execute();
    const account = { username: 'mover', secret: 'sealed' };
    const ids = [await yard.begin('volume.retype', retyped, { policy: 'on-demand', keys, account })];
    const reverted = await stored('reverting');
    const snapshotId = await yard.addSnapshot(reverted, 'restoring');
    ids.push(await yard.begin('volume.revert', reverted, { snapshotId }));
    const imaged = await stored('downloading');
    const image = { imageId: randomUUID() } as never;
    ids.push(await yard.begin('volume.reimage', imaged, { image, metadata: {} }));
    const filled = await stored('restoring-backup');
    const keyId = await yard.addKey();
    const data = { store: 'store', repository: filled, dataId: 'd' };
    const backupId = asId<BackupId>(randomUUID());
    ids.push(await yard.begin('backup.restore', filled, { data, backupId, keyId }));
    const removed = await stored('deleting');
    ids.push(await yard.begin('volume.delete', removed, {}));

    const plans = await hosts.restored();
    assert.deepEqual(new Set(plans.map(({ what }) => what)), new Set(['doubt']));
    await workOn();
    assert.deepEqual(hosts.asked, []);
    for (const id of ids) assert.equal((await operationNow(id)).state, 'stuck');
    for (const volume of [retyped, reverted, imaged, filled, removed])
      assert.equal((await volumeNow(volume)).status, 'error');
    const left = await yard.db.selectFrom('encryption_keys').select('id').execute();
    assert.deepEqual(left.map(({ id }) => id).toSorted(), [keys.from, keys.to, keyId].toSorted());
    assert.equal(
      (await yard.db.selectFrom('snapshots').select('status').executeTakeFirst())?.status,
      'available',
    );
  });

  it('a deletion goes on where nothing is left, a creation where nothing is yet; a whole volume is made', async () => {
    const gone = await yard.addVolume('deleting', true);
    const deletion = await yard.begin('volume.delete', gone, {});
    const made = await yard.addVolume('creating', false);
    const creation = await yard.begin('volume.create', made, {});
    hosts.put('stor1/files', made, 'precious');
    await hosts.restored();
    assert.equal((await operationNow(deletion)).state, 'queued');
    assert.ok((await operationNow(deletion)).seq_base > 1_000_000);
    assert.equal((await operationNow(creation)).state, 'undone');
    const { status, pool } = await volumeNow(made);
    assert.deepEqual([status, pool], ['available', yard.pool]);
  });

  it('data that moved to another pool are found there', async () => {
    const volume = await yard.addVolume('available', true);
    const pool = await yard.addPool('stor2', 'more');
    hosts.put('stor2/more', volume, 'precious');
    const [plan] = await hosts.restored();
    assert.equal(plan?.what, 'resume');
    const now = await volumeNow(volume);
    assert.deepEqual([now.pool, now.status], [pool, 'available']);
  });

  describe('one that it leaves', () => {
    let volume: VolumeId;
    beforeEach(async () => {
      volume = await stored('available');
      // Attached since, to a client that connects by itself and is not logged in just now.
      hosts.exports.set(volume, { initiators: [NOVA], sessions: [] });
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'leave');
      assert.match(plan.reason, /let in, and nobody knows why: .*nova/);
    });

    it('is asked nothing however many requests come, until it has been run again', async () => {
      const { status, operation_id, seq } = await volumeNow(volume);
      assert.equal(status, 'error');
      const { state, error } = await operationNow(operation_id as OperationId);
      assert.equal(state, 'stuck');
      assert.match(error ?? '', /left as it is by "blockyard restored": .*nova/);
      hosts.carriedOut('stor1', volume, seq + 500);
      const begun: OperationId[] = [];
      for (let nth = 0; nth < 10; nth++) begun.push(await yard.begin('volume.delete', volume, {}));
      await letGo(yard.db, volume);
      await workOn();
      assert.deepEqual(hosts.asked, []);
      assert.equal(hosts.at('stor1/files', volume), 'precious');

      hosts.exports.clear();
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'doubt', 'a deletion was asked for meanwhile');
      await workOn();
      assert.deepEqual(hosts.asked, []);
      assert.equal(hosts.at('stor1/files', volume), 'precious');
    });

    it('gets its status and its work back when it can be settled', async () => {
      await hosts.restored();
      hosts.exports.clear();
      const before = (await volumeNow(volume)).seq;
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'resume');
      const { status, operation_id, seq } = await volumeNow(volume);
      assert.deepEqual([status, operation_id], ['available', null]);
      assert.ok(seq >= before + 1_000_000);
      const stuck = await yard.db
        .selectFrom('operations')
        .select('id')
        .where('state', '=', 'stuck')
        .execute();
      assert.deepEqual(stuck, []);
    });
  });

  it('an operation that was under way is taken up again once its silent host is back', async () => {
    const volume = await stored('extending');
    const id = await yard.begin('volume.extend', volume, { fromGib: 2, toGib: 3 });
    hosts.silent.add('stor1');
    await hosts.restored();
    assert.equal((await operationNow(id)).state, 'stuck');
    hosts.silent.clear();
    await hosts.restored();
    assert.equal((await operationNow(id)).state, 'queued');
    const { status, operation_id } = await volumeNow(volume);
    assert.deepEqual([status, operation_id], ['extending', id]);
  });

  describe('groups', () => {
    const whole = {
      project_id: asId<ProjectId>('p1'),
      user_id: asId<UserId>('u1'),
      name: null,
      description: null,
    };
    const times = { created_at: sqlTime(systemClock.now()), updated_at: null };
    const type = () =>
      yard.db.selectFrom('group_types').select('id as group_type_id').executeTakeFirstOrThrow();
    const addGroup = async (status: GroupStatus, volumes: readonly VolumeId[]): Promise<GroupId> => {
      const id = asId<GroupId>(randomUUID());
      const source = { group_snapshot_id: null, source_group_id: null };
      const row = { id, status, ...whole, ...(await type()), availability_zone: 'nova', ...source, ...times };
      await yard.db.insertInto('volume_groups').values(row).execute();
      await yard.db.updateTable('volumes').set({ group_id: id }).where('id', 'in', volumes).execute();
      return id;
    };
    const statuses = async (): Promise<string[]> => {
      const groups = await yard.db.selectFrom('volume_groups').select('status').execute();
      const snapshots = await yard.db.selectFrom('group_snapshots').select('status').execute();
      return [...groups, ...snapshots].map(({ status }) => status).toSorted();
    };

    it('and their snapshots are what is left of their work when that has ended', async () => {
      const [made, going] = [await stored('creating'), await stored('deleting')];
      const groupId = await addGroup('creating', [made]);
      await yard.begin('volume.create', made, { groupId });
      await addGroup('deleting', [going]);
      await yard.begin('volume.delete', going, {});
      for (const status of ['creating', 'deleting'] as const) {
        const id = asId<GroupSnapshotId>(randomUUID());
        const row = { id, status, ...whole, group_id: groupId, ...(await type()), ...times };
        await yard.db.insertInto('group_snapshots').values(row).execute();
        const snapshotId = await yard.addSnapshot(made, status);
        await yard.db
          .updateTable('snapshots')
          .set({ group_snapshot_id: id })
          .where('id', '=', snapshotId)
          .execute();
        const kind = status === 'creating' ? 'snapshot.create' : 'snapshot.delete';
        await yard.begin(kind, made, { snapshotId, groupSnapshotId: id });
      }
      await hosts.restored();
      assert.deepEqual(await statuses(), ['available', 'error', 'error_deleting', 'error_deleting']);
    });

    it('are not in deletion for ever where one volume goes and another stays', async () => {
      const [gone, stays] = [await yard.addVolume('deleting', true), await stored('deleting')];
      const groupId = await addGroup('deleting', [gone, stays]);
      for (const volume of [gone, stays]) await yard.begin('volume.delete', volume, { groupId });
      await hosts.restored();
      await workOn();
      const left = await yard.db.selectFrom('volumes').select(['id', 'status']).execute();
      assert.deepEqual(left, [{ id: stays, status: 'error' }]);
      assert.deepEqual(await statuses(), ['error_deleting']);
    });

    it('wait for a volume that is held, and for one whose work goes on', async () => {
      const volume = await yard.addVolume('creating', false);
      const groupId = await addGroup('creating', [volume]);
      await yard.begin('volume.create', volume, { groupId });
      hosts.silent.add('stor1');
      await hosts.restored();
      assert.equal((await volumeNow(volume)).status, 'error');
      assert.deepEqual(await statuses(), ['creating']);
      hosts.silent.clear();
      await hosts.restored();
      assert.equal((await volumeNow(volume)).status, 'creating');
      assert.deepEqual(await statuses(), ['creating']);
    });
  });

  describe('what a host has yet to be rid of', () => {
    let volume: VolumeId;
    beforeEach(async () => {
      volume = await stored('available');
      await yard.db
        .insertInto('evictions')
        .values({
          id: asId(randomUUID()),
          volume_id: volume,
          server_id: yard.server,
          host: asId('comp1'),
          root: 0,
          connection: null,
          seq: 63,
          operation_id: asId(randomUUID()),
          error: null,
          created_at: sqlTime(systemClock.now()),
        })
        .execute();
    });
    const eviction = () => yard.db.selectFrom('evictions').selectAll().executeTakeFirst();
    const clear = async (answer: () => object = () => ({ guest: 'off' })): Promise<number> => {
      let asked = 0;
      const run = async (): Promise<unknown> => {
        asked++;
        return answer();
      };
      const evictions = new Evictions({
        db: yard.db,
        nonce: randomUUID,
        log: () => undefined,
        dispatcher: { run },
      });
      await evictions.carryOut(asId<HostName>('comp1'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      return asked;
    };

    it('is not taken from a guest that has it, and perhaps has it again', async () => {
      hosts.disks.add(volume);
      hosts.exports.set(volume, { initiators: [COMP1], sessions: [COMP1] });
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'leave');
      assert.match(plan.reason, /taken from it by force, or has it again/);
      assert.equal(await clear(), 0);
      assert.equal((await eviction())?.seq, 63);
    });

    it('is not taken from another server of that host, which has been given the volume since', async () => {
      await yard.db
        .updateTable('evictions')
        .set({ server_id: asId(randomUUID()) })
        .execute();
      hosts.disks.add(volume);
      hosts.exports.set(volume, { initiators: [COMP1], sessions: [COMP1] });
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'follow');
      // Asked to let go of it before its host has reported.
      await yard.db.updateTable('attachments').set({ status: 'detaching' }).execute();
      assert.equal(await clear(), 0);
      assert.equal(await eviction(), undefined);
    });

    it('stays to be taken when a client that connects by itself says that it is that host', async () => {
      await yard.addAttachment(volume, 'attached', 0);
      const stale = (): never => {
        throw new TaskError('stale', 'a newer task was carried out');
      };
      assert.equal(await clear(stale), 1);
      assert.match((await eviction())?.error ?? '', /may have been given it again/);
    });

    it('gets a number that the host takes where no guest has it; one of a silent host keeps its own', async () => {
      hosts.silent.add('comp1');
      await hosts.restored();
      assert.equal((await eviction())?.seq, 63);
      hosts.silent.clear();
      await hosts.restored();
      assert.ok(((await eviction())?.seq ?? 0) > 1_000_000);
      assert.equal(await clear(), 1);
      assert.equal(await eviction(), undefined);
    });
  });

  describe('encryption', () => {
    it('that MySQL knows nothing of, or that is not there, is in error', async () => {
      const encryptedSince = await stored('available', true);
      const decryptedSince = await stored('available', false);
      const key = await yard.addKey();
      await yard.db
        .updateTable('volumes')
        .set({ encryption_key_id: key })
        .where('id', '=', decryptedSince)
        .execute();
      const plans = await hosts.restored();
      assert.deepEqual(
        plans.map((plan) => plan.what === 'doubt' && /LUKS header/.test(plan.reason)),
        [true, true],
      );
      for (const volume of [encryptedSince, decryptedSince])
        assert.equal((await volumeNow(volume)).status, 'error');
      const notes = await yard.db.selectFrom('operations').select(['state', 'error']).execute();
      assert.ok(
        notes.length === 2 &&
          notes.every(({ state, error }) => state === 'stuck' && /LUKS/.test(error ?? '')),
      );
    });

    it('of which an agent tells nothing changes nothing', async () => {
      const volume = await yard.addVolume('available', true);
      hosts.put('stor1/files', volume, 'precious', null);
      const key = await yard.addKey();
      await yard.db.updateTable('volumes').set({ encryption_key_id: key }).execute();
      const [plan] = await hosts.restored();
      assert.equal(plan?.what, 'resume');
      assert.equal((await volumeNow(volume)).status, 'available');
    });
  });
});
