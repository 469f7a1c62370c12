import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { open, readdir, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { VolumeId } from '#schema/ids.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { eventually, volumeBecomes } from '../support/hosts.ts';
import { type StorageHosts, startStorageHosts } from '../support/storage.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

describe('data of volumes, on real files', () => {
  let api: TestApi;
  let hosts: StorageHosts;
  const types: Record<string, string> = {};

  before(async function () {
    this.timeout(60_000);
    api = await startApi();
    hosts = await startStorageHosts(api);
    for (const backend of ['here', 'there', 'away']) {
      const { body } = await api.call('POST', '/types', {
        as: 'admin',
        body: {
          volume_type: { name: `on ${backend}`, extra_specs: { volume_backend_name: backend } },
        },
      });
      types[backend] = body.volume_type.id;
    }
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const act = (id: string, body: object, as: 'member' | 'admin' = 'member') =>
    api.call('POST', `/volumes/${id}/action`, { body, as });
  const show = async (id: string) => (await api.call('GET', `/volumes/${id}`, { as: 'admin' })).body.volume;
  const create = async (backend: string, more: object = {}): Promise<string> => {
    const { body } = await api.call('POST', '/volumes', {
      body: { volume: { size: 1, volume_type: `on ${backend}`, ...more } },
    });
    await volumeBecomes(api, body.volume.id, 'available');
    return body.volume.id;
  };
  /** Random bytes at the beginning, in the middle and at the very end. */
  const write = async (path: string): Promise<Buffer> => {
    const data = randomBytes(3 * 64 * 1024);
    await using file = await open(path, 'r+');
    for (const [index, at] of [0, GIB / 2, GIB - 64 * 1024].entries())
      await file.write(data, index * 64 * 1024, 64 * 1024, at);
    return data;
  };
  const read = async (path: string): Promise<Buffer> => {
    await using file = await open(path, 'r');
    const data = Buffer.alloc(3 * 64 * 1024);
    for (const [index, at] of [0, GIB / 2, GIB - 64 * 1024].entries())
      await file.read(data, index * 64 * 1024, 64 * 1024, at);
    assert.equal((await file.stat()).size, GIB);
    return data;
  };
  const snapshotOf = async (volume: string): Promise<string> => {
    const { body } = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volume } } });
    await snapshotBecomes(body.snapshot.id, 'available');
    return body.snapshot.id;
  };
  const snapshotBecomes = (id: string, status: string) =>
    eventually(async () => {
      const { body } = await api.call('GET', `/snapshots/${id}`);
      assert.equal(body.snapshot.status, status);
    });
  const gone = (path: string) =>
    eventually(async () => {
      const { status } = await api.call('GET', path);
      assert.equal(status, 404);
    });
  const sums = async (): Promise<Record<string, [number, number]>> => {
    const rows = await api.db.selectFrom('pools').selectAll().execute();
    return Object.fromEntries(rows.map((row) => [row.backend_name, [row.allocated_gib, row.volume_count]]));
  };
  const ended = (volume: string, kind: string) =>
    eventually(async () => {
      const row = await api.db
        .selectFrom('operations')
        .select(['state', 'error'])
        .where('volume_id', '=', volume as VolumeId)
        .where('kind', '=', kind)
        .orderBy('created_at', 'desc')
        .executeTakeFirstOrThrow();
      assert.ok(['done', 'undone', 'stuck'].includes(row.state), row.state);
      return row;
    }, 30_000);
  const inPool = (backend: string, id: string) => hosts.path(backend, `volume-${id}`);

  it('reverts to the newest snapshot', async () => {
    const id = await create('here');
    const first = await write(inPool('here', id));
    const older = await snapshotOf(id);
    const second = await write(inPool('here', id));
    const newest = await snapshotOf(id);
    await write(inPool('here', id));
    const early = await api.call('POST', `/volumes/${id}/action`, {
      body: { revert: { snapshot_id: newest } },
      version: 39,
    });
    assert.equal(early.status, 404);
    const wrong = await act(id, { revert: { snapshot_id: older } });
    assert.equal(wrong.status, 400);
    assert.match(wrong.body.badRequest.message, /None or not the latest one of volume/);
    assert.equal((await act(id, { revert: { snapshot_id: newest } })).status, 202);
    await volumeBecomes(api, id, 'available');
    await snapshotBecomes(newest, 'available');
    assert.deepEqual(await read(inPool('here', id)), second);
    assert.deepEqual(await read(hosts.path('here', `snapshot-${newest}`)), second);
    assert.deepEqual(await read(hosts.path('here', `snapshot-${older}`)), first);
  });

  it('does not revert what has grown since, or is in use', async () => {
    const id = await create('here');
    const snapshot = await snapshotOf(id);
    await api.db
      .updateTable('volumes')
      .set({ status: 'in-use' })
      .where('id', '=', id as VolumeId)
      .execute();
    const used = await act(id, { revert: { snapshot_id: snapshot } });
    assert.equal(used.status, 409);
    assert.match(used.body.conflictingRequest.message, /Volume's status must be 'available'/);
    await api.db
      .updateTable('volumes')
      .set({ status: 'available', size_gib: 2 })
      .where('id', '=', id as VolumeId)
      .execute();
    const grown = await act(id, { revert: { snapshot_id: snapshot } });
    assert.equal(grown.status, 400);
    assert.match(grown.body.badRequest.message, /size must be equal to the snapshot size/);
    await api.db
      .updateTable('volumes')
      .set({ size_gib: 1 })
      .where('id', '=', id as VolumeId)
      .execute();
  });

  for (const [to, how] of [
    ['there', 'another back end of the same agent'],
    ['away', 'another agent, through an export'],
  ] as const) {
    it(`migrates to ${how}`, async function () {
      this.timeout(60_000);
      const id = await create('here');
      // A type that asks for its back end binds a volume to it.
      await api.db
        .updateTable('volumes')
        .set({ volume_type_id: null })
        .where('id', '=', id as VolumeId)
        .execute();
      const data = await write(inPool('here', id));
      const before = await sums();
      hosts.commands.length = 0;
      const { name } = await api.db
        .selectFrom('pools')
        .select('name')
        .where('backend_name', '=', to)
        .executeTakeFirstOrThrow();
      const answer = await act(id, { 'os-migrate_volume': { host: name, lock_volume: true } }, 'admin');
      assert.equal(answer.status, 202);
      assert.deepEqual(await ended(id, 'volume.migrate'), { state: 'done', error: null });
      const volume = await show(id);
      assert.deepEqual(
        [volume.status, volume.migration_status, volume['os-vol-host-attr:host']],
        ['available', 'success', name],
      );
      assert.deepEqual(await read(inPool(to, id)), data);
      await assert.rejects(stat(inPool('here', id)), { code: 'ENOENT' });
      assert.ok((await stat(inPool(to, id))).blocks * 512 < 8 * MIB, 'what was a hole is one');
      const [was, is] = [before, await sums()];
      assert.deepEqual(is['here'], [(was['here']?.[0] ?? 0) - 1, (was['here']?.[1] ?? 0) - 1]);
      assert.deepEqual(is[to], [(was[to]?.[0] ?? 0) + 1, (was[to]?.[1] ?? 0) + 1]);
      assert.ok(hosts.commands.some((line) => /qemu-img compare/.test(line)));
      // No secret in argv, and none is left in a file.
      assert.ok(!hosts.commands.some((line) => /password=|secret,id=\w+,data=/.test(line)));
      const state = await readdir(dirname(hosts.path(to, '..')) + '/state').catch(() => []);
      assert.deepEqual(
        state.filter((each) => each.startsWith('account-')),
        [],
      );
      assert.equal((await api.call('DELETE', `/volumes/${id}`)).status, 202);
      await gone(`/volumes/${id}`);
      await assert.rejects(stat(inPool(to, id)), { code: 'ENOENT' });
    });
  }

  it('refuses to migrate what it must not', async () => {
    const id = await create('here');
    const migrate = (host: string) => act(id, { 'os-migrate_volume': { host } }, 'admin');
    assert.equal((await act(id, { 'os-migrate_volume': { host: 'stor1@there' } })).status, 403);
    const nowhere = await migrate('stor9@none');
    assert.equal(nowhere.status, 400);
    assert.match(nowhere.body.badRequest.message, /^Invalid host: No available service named 'stor9@none'$/);
    const same = await migrate('stor1@here#here');
    assert.equal(same.status, 400);
    assert.match(same.body.badRequest.message, /must be different than the current one/);
    await api.db
      .updateTable('volumes')
      .set({ status: 'in-use' })
      .where('id', '=', id as VolumeId)
      .execute();
    const used = await migrate('stor1@there');
    assert.equal(used.status, 400);
    assert.match(used.body.badRequest.message, /in-use: only a volume that is not attached/);
    await api.db
      .updateTable('volumes')
      .set({ status: 'available' })
      .where('id', '=', id as VolumeId)
      .execute();
    await snapshotOf(id);
    assert.equal((await migrate('stor1@there')).status, 400);
    assert.equal((await show(id)).migration_status, null);
  });

  it('turns back from a migration that fails, and the volume is as it was', async function () {
    this.timeout(60_000);
    const id = await create('here');
    const data = await write(inPool('here', id));
    const before = await sums();
    await rename(inPool('here', id), hosts.path('here', 'aside'));
    await api.db
      .updateTable('volumes')
      .set({ volume_type_id: null })
      .where('id', '=', id as VolumeId)
      .execute();
    await act(id, { 'os-migrate_volume': { host: 'stor1@there' } }, 'admin');
    assert.equal((await ended(id, 'volume.migrate')).state, 'undone');
    await rename(hosts.path('here', 'aside'), inPool('here', id));
    const volume = await show(id);
    assert.deepEqual([volume.status, volume.migration_status], ['available', 'error']);
    assert.deepEqual(await sums(), before);

    // What an earlier move has left there is not taken for a copy.
    await writeFile(inPool('there', id), '');
    await truncate(inPool('there', id), GIB);
    await write(inPool('there', id));
    await act(id, { 'os-migrate_volume': { host: 'stor1@there' } }, 'admin');
    assert.equal((await ended(id, 'volume.migrate')).state, 'done');
    assert.deepEqual(await read(inPool('there', id)), data);
  });

  it('gives a volume another type where it lies, or moves it when that is allowed', async function () {
    this.timeout(60_000);
    const id = await create('here');
    const data = await write(inPool('here', id));
    const { body } = await api.call('POST', '/types', {
      as: 'admin',
      body: { volume_type: { name: `plain ${randomUUID()}`, extra_specs: { multiattach: '<is> True' } } },
    });
    const retype = (type: string, policy?: string) =>
      act(id, { 'os-retype': { new_type: type, ...(policy !== undefined && { migration_policy: policy }) } });
    assert.equal((await retype(body.volume_type.name)).status, 202);
    await ended(id, 'volume.retype');
    const stayed = await show(id);
    assert.deepEqual(
      [stayed.status, stayed.volume_type, stayed.multiattach, stayed.migration_status],
      ['available', body.volume_type.name, true, null],
    );
    assert.equal((await retype(body.volume_type.id)).status, 400);
    assert.equal((await retype(randomUUID())).status, 404);

    assert.equal((await retype('on there', 'never')).status, 202);
    const never = await ended(id, 'volume.retype');
    assert.equal(never.state, 'undone');
    assert.match(never.error ?? '', /would have to move, which was not allowed/);
    const kept = await show(id);
    assert.deepEqual([kept.status, kept.volume_type], ['available', body.volume_type.name]);
    const messages = await api.call('GET', `/messages?resource_uuid=${id}`);
    assert.equal(messages.body.messages.length, 1);

    assert.equal((await retype('on there', 'on-demand')).status, 202);
    await eventually(async () => assert.equal((await show(id)).volume_type, 'on there'), 30_000);
    const moved = await show(id);
    assert.deepEqual(
      [moved.status, moved.migration_status, moved['os-vol-host-attr:host'], moved.multiattach],
      ['available', 'success', 'stor1@there#there', false],
    );
    assert.deepEqual(await read(inPool('there', id)), data);
  });

  it('unmanages a snapshot and manages it again', async () => {
    const id = await create('here');
    const data = await write(inPool('here', id));
    const snapshot = await snapshotOf(id);
    const before = await sums();
    const unmanage = (as: 'member' | 'admin') =>
      api.call('POST', `/snapshots/${snapshot}/action`, { as, body: { 'os-unmanage': {} } });
    assert.equal((await unmanage('member')).status, 403);
    assert.equal((await unmanage('admin')).status, 202);
    await gone(`/snapshots/${snapshot}`);
    assert.equal((await sums())['here']?.[0], (before['here']?.[0] ?? 0) - 1);
    const list = await api.call('GET', '/manageable_snapshots/detail?host=stor1@here', { as: 'admin' });
    const mine = list.body['manageable-snapshots'].find((each: { source_reference: object }) =>
      JSON.stringify(each.source_reference).includes(id),
    );
    assert.deepEqual(mine.source_reference, { 'source-name': `volume-${id}` });
    assert.deepEqual([mine.safe_to_manage, mine.size, mine.cinder_id], [true, 1, null]);

    const manage = (volume: string, name: string) =>
      api.call('POST', '/manageable_snapshots', {
        as: 'admin',
        body: {
          snapshot: { volume_id: volume, ref: { 'source-name': name }, name: 'back', metadata: { a: 'b' } },
        },
      });
    const other = await create('here');
    assert.equal((await manage(other, mine.reference['source-name'])).status, 400);
    assert.equal((await manage(id, 'nothing')).status, 400);
    // By the name that Cinder would have left it.
    const { status, body } = await manage(id, `_snapshot-${snapshot}`);
    assert.equal(status, 202);
    assert.deepEqual([body.snapshot.name, body.snapshot.metadata], ['back', { a: 'b' }]);
    await snapshotBecomes(body.snapshot.id, 'available');
    assert.deepEqual(await read(hosts.path('here', `snapshot-${body.snapshot.id}`)), data);
    assert.equal((await sums())['here']?.[0], (before['here']?.[0] ?? 0) + 1);
    const copy = await create('here', { snapshot_id: body.snapshot.id });
    assert.deepEqual(await read(inPool('here', copy)), data);
  });

  it('writes an image over a volume, available or reserved', async () => {
    const id = await create('here');
    await write(inPool('here', id));
    const image = await api.image('POST', '/images', {
      body: { name: 'image', disk_format: 'raw', container_format: 'bare' },
    });
    const data = randomBytes(MIB);
    const put = await heldFetch(`${api.url}/image/v2/images/${image.body.id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': 'token-of-member', 'Content-Type': 'application/octet-stream' },
      body: data,
    });
    assert.equal(put.status, 204);
    const reimage = (reserved: boolean) =>
      act(id, { 'os-reimage': { image_id: image.body.id, reimage_reserved: reserved } });
    assert.equal((await reimage(false)).status, 202);
    assert.deepEqual(await ended(id, 'volume.reimage'), { state: 'done', error: null });
    await using file = await open(inPool('here', id), 'r');
    const head = Buffer.alloc(2 * MIB);
    await file.read(head, 0, head.length, 0);
    assert.deepEqual(head.subarray(0, MIB), data);
    assert.ok(head.subarray(MIB).every((byte) => byte === 0));
    assert.equal((await file.stat()).size, GIB);
    const volume = await show(id);
    assert.deepEqual([volume.status, volume.volume_image_metadata.image_id], ['available', image.body.id]);
    const reserve = await api.call('POST', '/attachments', {
      body: { attachment: { volume_uuid: id, instance_uuid: randomUUID() } },
    });
    assert.equal(reserve.status, 200);
    assert.equal((await reimage(false)).status, 400);
    assert.equal((await reimage(true)).status, 202);
    await volumeBecomes(api, id, 'reserved');
  });
});
