import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type BackupId, type SnapshotId, type VolumeId } from '#schema/ids.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi, type Who } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('backups', () => {
  let api: TestApi;
  let hosts: Hosts;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api, { store: 'a-store' });
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const create = (backup: Record<string, unknown>, version = 71): Promise<Answer> =>
    api.call('POST', '/backups', { version, body: { backup } });
  const shown = async (id: string, version = 71, as: Who = 'member') =>
    (await api.call('GET', `/backups/${id}`, { version, as })).body.backup;
  const becomes = (id: string, status: string) =>
    eventually(async () => assert.equal((await shown(id)).status, status));
  const goes = (path: string) =>
    eventually(async () => assert.equal((await api.call('GET', path)).status, 404));
  async function made(volume: string, more: Record<string, unknown> = {}): Promise<string> {
    const { status, body } = await create({ volume_id: volume, ...more });
    assert.equal(status, 202, JSON.stringify(body));
    await becomes(body.backup.id, 'available');
    await volumeBecomes(api, volume, 'available');
    return body.backup.id;
  }
  const message = ({ body }: Answer): string => body.badRequest?.message ?? body.itemNotFound?.message;

  it('are made, shown as each microversion has them, changed and deleted', async () => {
    const volume = await availableVolume(api, { size: 2 });
    const fields = { name: 'one', description: 'two', container: 'box', metadata: { a: 'b' } };
    const { status, body } = await create({ volume_id: volume, ...fields, availability_zone: 'nova' });
    assert.equal(status, 202);
    const { id } = body.backup;
    assert.deepEqual(Object.keys(body.backup).toSorted(), ['id', 'links', 'name']);
    await becomes(id, 'available');
    assert.equal(hosts.model.backups.get(id), volume);
    const { links: _, created_at, updated_at, data_timestamp, ...rest } = await shown(id);
    assert.ok(updated_at >= created_at);
    assert.equal(data_timestamp, created_at);
    assert.deepEqual(rest, {
      id,
      name: 'one',
      description: 'two',
      container: 'box',
      metadata: { a: 'b' },
      availability_zone: 'nova',
      status: 'available',
      size: 2,
      object_count: 3,
      fail_reason: null,
      volume_id: volume,
      snapshot_id: null,
      is_incremental: false,
      has_dependent_backups: false,
    });
    assert.equal('metadata' in (await shown(id, 42)), false);
    const asAdmin = await shown(id, 71, 'admin');
    assert.deepEqual([asAdmin.user_id, asAdmin['os-backup-project-attr:project_id'].length], ['max', 32]);
    assert.equal('os-backup-project-attr:project_id' in (await shown(id, 17, 'admin')), false);
    assert.equal((await api.call('GET', `/backups/${id}`, { as: 'stranger' })).status, 404);

    const changes = { backup: { name: 'other', description: 'new' } };
    assert.equal((await api.call('PUT', `/backups/${id}`, { body: changes, version: 8 })).status, 404);
    const renamed = await api.call('PUT', `/backups/${id}`, { body: changes, version: 9 });
    assert.deepEqual([renamed.status, renamed.body.backup.name], [200, 'other']);
    assert.equal((await shown(id)).description, 'new');
    assert.equal((await api.call('DELETE', `/backups/${id}`)).status, 202);
    await goes(`/backups/${id}`);
    assert.equal(hosts.model.backups.has(id), false);
  });

  it('refuse fields before their microversion, and services that are not there', async () => {
    const volume_id = await availableVolume(api);
    assert.equal((await create({ volume_id, metadata: {} }, 42)).status, 400);
    assert.equal((await create({ volume_id, availability_zone: 'nova' }, 50)).status, 400);
    assert.equal((await create({ volume_id, other: 1 })).status, 400);
    assert.equal((await create({ volume_id: randomUUID() })).status, 404);
    const elsewhere = await create({ volume_id, availability_zone: 'moon' });
    assert.equal(elsewhere.status, 503);
    assert.match(elsewhere.body.serviceUnavailable.message, /Service cinder-backup could not be found\./);
    await volumeBecomes(api, volume_id, 'available');
  });

  it('have names and descriptions within Cinder’s bounds, and any zone that is empty', async () => {
    const volume_id = await availableVolume(api);
    for (const bad of [
      { name: 'n'.repeat(256) },
      { name: ` ${'n'.repeat(255)}` },
      { name: 1 },
      { description: 'two\nlines' },
      { description: 'a smile \u{1F600}' },
      { description: 'd'.repeat(256) },
      { snapshot_id: 'x' },
      { force: 2 },
    ]) {
      assert.equal((await create({ volume_id, ...bad })).status, 400, JSON.stringify(bad));
    }
    const id = await made(volume_id, { name: '  ', description: ' d ', availability_zone: '' });
    const { name, description, availability_zone, updated_at } = await shown(id);
    assert.deepEqual([name, description, availability_zone], ['', 'd', 'nova']);
    assert.equal((await api.call('PUT', `/backups/${id}`, { body: { backup: {} } })).status, 200);
    assert.equal((await shown(id)).updated_at, updated_at, 'nothing was changed');
  });

  it('of a volume in use need force', async () => {
    const id = await availableVolume(api);
    const set = (status: 'in-use' | 'available') =>
      api.db.updateTable('volumes').set({ status }).where('id', '=', asId<VolumeId>(id)).execute();
    await set('in-use');
    assert.equal(
      message(await create({ volume_id: id })),
      'Invalid volume: Backing up an in-use volume must use the force flag.',
    );
    const { body } = await create({ volume_id: id, force: true });
    await becomes(body.backup.id, 'available');
    // No attachment is there: that is what the status says afterwards.
    await volumeBecomes(api, id, 'available');
  });

  it('of a snapshot leave the volume alone', async () => {
    const volume = await availableVolume(api);
    const { body } = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volume } } });
    const snapshot: string = body.snapshot.id;
    const status = async () => (await api.call('GET', `/snapshots/${snapshot}`)).body.snapshot.status;
    await eventually(async () => assert.equal(await status(), 'available'));
    const other = await availableVolume(api);
    assert.match(message(await create({ volume_id: other, snapshot_id: snapshot })), /does not match with/);
    const id = await made(volume, { snapshot_id: snapshot });
    assert.equal(hosts.model.backups.get(id), snapshot);
    assert.equal((await shown(id)).snapshot_id, snapshot);
    assert.equal(await status(), 'available');
    const row = asId<SnapshotId>(snapshot);
    await api.db.updateTable('snapshots').set({ status: 'error' }).where('id', '=', row).execute();
    assert.equal(
      message(await create({ volume_id: volume, snapshot_id: snapshot })),
      'Invalid snapshot: Snapshot to be backed up must be available, but the current status is "error".',
    );
  });

  it('that are increments hold on to what they are made on', async () => {
    const volume = await availableVolume(api);
    const none = await create({ volume_id: volume, incremental: true });
    assert.equal(message(none), 'Invalid backup: No backups available to do an incremental backup.');
    const full = await made(volume);
    const increment = await made(volume, { incremental: true });
    assert.equal((await shown(increment)).is_incremental, true);
    assert.equal((await shown(full)).has_dependent_backups, true);
    for (const [method, path, body] of [
      ['DELETE', `/backups/${full}`, undefined],
      ['POST', `/backups/${full}/action`, { 'os-force_delete': {} }],
    ] as const) {
      const refused = await api.call(method, path, { as: 'admin', ...(body !== undefined && { body }) });
      assert.equal(message(refused), 'Invalid backup: Incremental backups exist for this backup.');
    }
    await api.call('DELETE', `/backups/${increment}`);
    await goes(`/backups/${increment}`);
    await api.call('DELETE', `/volumes/${volume}`);
    await goes(`/volumes/${volume}`);
    // Its volume is gone: nothing is asked of it.
    assert.equal((await api.call('DELETE', `/backups/${full}`)).status, 202);
    await goes(`/backups/${full}`);
  });

  it('are restored to a new volume, with what the former had besides its data', async () => {
    const volume = await availableVolume(api, { metadata: { a: 'b' } });
    const row = asId<VolumeId>(volume);
    await api.db
      .updateTable('volumes')
      .set({ bootable: 1, image_metadata: '{"os":"x"}' })
      .where('id', '=', row)
      .execute();
    const id = await made(volume);
    const { status, body } = await api.call('POST', `/backups/${id}/restore`, {
      body: { restore: {} },
      version: 0,
    });
    assert.equal(status, 202);
    assert.deepEqual([body.restore.backup_id, body.restore.volume_name], [id, `restore_backup_${id}`]);
    await volumeBecomes(api, body.restore.volume_id, 'available');
    await becomes(id, 'available');
    const { body: after } = await api.call('GET', `/volumes/${body.restore.volume_id}`);
    assert.deepEqual(
      [after.volume.metadata, after.volume.bootable, after.volume.volume_image_metadata, after.volume.size],
      [{ a: 'b' }, 'true', { os: 'x' }, 1],
    );
    assert.equal(hosts.model.filled.get(after.volume.id), `backup ${id}`);
  });

  it('make a volume, as in Cinder whatever the microversion', async () => {
    const id = await made(await availableVolume(api, { size: 2 }));
    const small = await api.call('POST', '/volumes', { body: { volume: { size: 1, backup_id: id } } });
    assert.match(message(small), /Volume size 1GB cannot be smaller than the backup size 2GB/);
    const { body } = await api.call('POST', '/volumes', { body: { volume: { backup_id: id, size: 3 } } });
    await volumeBecomes(api, body.volume.id, 'available');
    assert.equal(hosts.model.filled.get(body.volume.id), `backup ${id}`);
    await becomes(id, 'available');
    const before = await api.call('POST', '/volumes', {
      version: 46,
      body: { volume: { size: 2, backup_id: id } },
    });
    await volumeBecomes(api, before.body.volume.id, 'available');
    assert.equal(hosts.model.filled.get(before.body.volume.id), `backup ${id}`);
    await becomes(id, 'available');
  });

  it('are restored over a volume that is large enough and free', async () => {
    const id = await made(await availableVolume(api, { size: 2 }));
    const restore = (volume_id: string) =>
      api.call('POST', `/backups/${id}/restore`, { body: { restore: { volume_id } } });
    const small = await availableVolume(api);
    assert.equal(
      message(await restore(small)),
      'Invalid volume: volume size 1 is too small to restore backup of size 2.',
    );
    const target = await availableVolume(api, { size: 3, name: 'target' });
    const { status, body } = await restore(target);
    assert.deepEqual(
      [status, body.restore],
      [202, { backup_id: id, volume_id: target, volume_name: 'target' }],
    );
    await volumeBecomes(api, target, 'available');
    await becomes(id, 'available');
    assert.equal(hosts.model.filled.get(target), `backup ${id}`);
    const set = (is: 'in-use' | 'available') =>
      api.db.updateTable('volumes').set({ status: is }).where('id', '=', asId<VolumeId>(target)).execute();
    await set('in-use');
    assert.equal(
      message(await restore(target)),
      'Invalid volume: Volume to be restored to must be available',
    );
    await set('available');
    hosts.model.backups.delete(id);
    await restore(target);
    await volumeBecomes(api, target, 'error_restoring');
    await becomes(id, 'available');
    const { body: told } = await api.call('GET', '/messages');
    assert.ok(told.messages.some((each: { user_message: string }) => each.user_message.includes('restore')));
  });

  it('are taken to another database by their record, and share their data with it', async () => {
    const id = await made(await availableVolume(api), { name: 'kept' });
    const exported = await api.call('GET', `/backups/${id}/export_record`, { as: 'admin' });
    assert.equal(exported.status, 200);
    const record = exported.body['backup-record'];
    assert.match(record.backup_service, /^cinder\.backup\.drivers/);
    const take = (changes: object, service: string = record.backup_service) => {
      const fields = { ...JSON.parse(Buffer.from(record.backup_url, 'base64').toString()), ...changes };
      const backup_url = Buffer.from(JSON.stringify(fields)).toString('base64');
      return api.call('POST', '/backups/import_record', {
        as: 'admin',
        body: { 'backup-record': { backup_service: service, backup_url } },
      });
    };
    assert.equal(message(await take({})), 'Invalid backup: Backup already exists in database.');
    assert.match(message(await take({ id: undefined })), /Provided backup record is missing an id/);
    assert.match(message(await take({ size: undefined })), /Provided backup record is missing size/);
    assert.match(message(await take({ id: '../x' })), /record: id is not a 'uuid'/);
    assert.match(
      message(await take({ id: randomUUID() }, 'cinder.backup.drivers.other')),
      /cannot find backup service to perform import\. Request service cinder\.backup\.drivers\.other/,
    );
    const again = await take({ id: randomUUID() });
    assert.equal(again.status, 201);
    await becomes(again.body.backup.id, 'available');
    assert.equal((await shown(again.body.backup.id)).name, 'kept');
    await api.call('DELETE', `/backups/${id}`);
    await goes(`/backups/${id}`);
    assert.ok(hosts.model.backups.has(id), 'another record needs the data');
    const own = await take({});
    await becomes(own.body.backup.id, 'available');
    for (const each of [id, again.body.backup.id]) await api.call('DELETE', `/backups/${each}`);
    for (const each of [id, again.body.backup.id]) await goes(`/backups/${each}`);
    assert.equal(hosts.model.backups.has(id), false);
    const lost = await take({ id: randomUUID() });
    await becomes(lost.body.backup.id, 'error');
    assert.match((await shown(lost.body.backup.id)).fail_reason, /no backup/);
  });

  it('are listed by filter, order and page, and counted', async () => {
    await api.db.deleteFrom('backups').execute();
    const volume = await availableVolume(api);
    const ids = [];
    for (const name of ['b', 'a', 'c']) ids.push(await made(volume, { name }));
    const list = async (query: string, version = 71, as: Who = 'member') =>
      (await api.call('GET', `/backups/detail?${query}`, { version, as })).body;
    const names = async (query: string, version = 71, as: Who = 'member') =>
      (await list(query, version, as)).backups.map(({ name }: { name: string }) => name);
    assert.deepEqual(await names(''), ['c', 'a', 'b']);
    assert.deepEqual(await names('sort=name:asc'), ['a', 'b', 'c']);
    assert.equal((await api.call('GET', '/backups?sort=name', { version: 36 })).status, 400);
    assert.deepEqual(await names('name=a'), ['a']);
    assert.deepEqual(await names('name~=a'), ['a']);
    assert.deepEqual(await names(`volume_id=${volume}&status=available&limit=1&offset=1`), ['a']);
    assert.equal((await api.call('GET', '/backups?nonsense=1')).status, 400);
    assert.deepEqual(await names('sort=availability_zone,name:asc'), ['a', 'b', 'c']);
    const said = async (query: string, as?: Who) =>
      message(await api.call('GET', `/backups?${query}`, { as: as ?? 'member' }));
    assert.equal(await said('with_count=2'), "Value '2' for 'with_count' is not a boolean.");
    assert.equal(await said('all_tenants=2', 'admin'), "all_tenants must be a boolean, got '2'.");
    assert.deepEqual(await names('all_tenants=2'), ['c', 'a', 'b'], 'passed over, as in Cinder');
    const page = await list('limit=2&with_count=True&sort=name:asc');
    assert.deepEqual([page.count, page.backups.length], [3, 2]);
    const next = new URL(page.backups_links[0].href);
    assert.deepEqual(await names(next.searchParams.toString()), ['c']);
    await api.db
      .updateTable('backups')
      .set({ project_id: asId(OTHER_PROJECT) })
      .where('id', '=', asId<BackupId>(ids[0] ?? ''))
      .execute();
    assert.equal((await names('')).length, 2);
    assert.equal((await names('all_tenants=1', 71, 'admin')).length, 3);
    assert.equal((await names('all_tenants=1')).length, 2);
  });

  it('are put right and deleted by force by administrators', async () => {
    const id = await made(await availableVolume(api));
    const act = (body: object, as: Who = 'admin') => api.call('POST', `/backups/${id}/action`, { as, body });
    assert.equal((await act({ 'os-reset_status': { status: 'error' } }, 'member')).status, 403);
    assert.equal((await act({ 'os-reset_status': { status: 'deleting' } })).status, 400);
    assert.equal((await act({ 'os-reset_status': { status: 'error' } })).status, 202);
    assert.equal((await shown(id)).status, 'error');
    await api.db
      .updateTable('backups')
      .set({ status: 'error_deleting' })
      .where('id', '=', asId<BackupId>(id))
      .execute();
    const refused = await api.call('DELETE', `/backups/${id}`);
    assert.equal(message(refused), 'Invalid backup: Backup status must be available or error');
    assert.equal((await act({ 'os-force_delete': {} })).status, 202);
    await goes(`/backups/${id}`);
  });

  it('count in quotas', async () => {
    const volume = await availableVolume(api, { size: 2 });
    const limits = { quota_set: { backup_gigabytes: 1 } };
    await api.call('PUT', `/os-quota-sets/${PROJECT}`, { as: 'admin', body: limits });
    const over = await create({ volume_id: volume });
    assert.equal(over.status, 413, JSON.stringify(over.body));
    assert.match(over.body.overLimit.message, /Backup gigabytes quota/);
    await volumeBecomes(api, volume, 'available');
    const none = { quota_set: { volumes: 0, backup_gigabytes: -1 } };
    await api.call('PUT', `/os-quota-sets/${PROJECT}`, { as: 'admin', body: none });
    const restored = await api.call('POST', `/backups/${await made(volume)}/restore`, {
      body: { restore: {} },
    });
    assert.equal(
      restored.body.overLimit.message,
      "Maximum number of volumes allowed (0) exceeded for quota 'volumes'.",
    );
    await api.call('DELETE', `/os-quota-sets/${PROJECT}`, { as: 'admin' });
  });

  it('are made by a service that clients of Cinder know', async () => {
    const { body } = await api.call('GET', '/os-services?binary=cinder-backup', { as: 'admin' });
    assert.deepEqual(
      body.services.map(({ binary, host, state }: Record<string, string>) => [binary, host, state]),
      [['cinder-backup', 'stor1', 'up']],
    );
  });
});
