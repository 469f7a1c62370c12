import assert from 'node:assert/strict';
import { startApi, type TestApi, type Who } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

type Fields = readonly string[];

const VOLUME: Fields = [
  'attachments',
  'availability_zone',
  'bootable',
  'consistencygroup_id',
  'created_at',
  'description',
  'encrypted',
  'id',
  'links',
  'metadata',
  'multiattach',
  'name',
  'replication_status',
  'size',
  'snapshot_id',
  'source_volid',
  'status',
  'updated_at',
  'user_id',
  'volume_type',
];
/** Since when, and whether for administrators alone. */
const VOLUME_SINCE: readonly [number, boolean, Fields][] = [
  [0, true, ['migration_status']],
  [13, false, ['group_id']],
  [21, true, ['provider_id']],
  [48, false, ['service_uuid', 'shared_targets']],
  [61, true, ['cluster_name']],
  [63, false, ['volume_type_id']],
  [65, false, ['consumes_quota']],
];
const SHOWN: Fields = ['os-vol-tenant-attr:tenant_id'];
const SHOWN_TO_ADMINS: Fields = [
  'os-vol-host-attr:host',
  'os-vol-mig-status-attr:migstat',
  'os-vol-mig-status-attr:name_id',
];

const SNAPSHOT: Fields = [
  'created_at',
  'description',
  'id',
  'metadata',
  'name',
  'size',
  'status',
  'updated_at',
  'volume_id',
];
const SNAPSHOT_SINCE: readonly [number, Fields][] = [
  [14, ['group_snapshot_id']],
  [41, ['user_id']],
  [65, ['consumes_quota']],
];
const SNAPSHOT_SHOWN: Fields = [
  'os-extended-snapshot-attributes:progress',
  'os-extended-snapshot-attributes:project_id',
];

const VERSIONS = [0, 12, 13, 14, 20, 21, 40, 41, 47, 48, 60, 61, 62, 63, 64, 65, 69, 71];

function volumeFields(version: number, as: Who, shown: boolean): Fields {
  return [
    ...VOLUME,
    ...VOLUME_SINCE.flatMap(([since, admins, names]) =>
      version >= since && (!admins || as === 'admin') ? names : [],
    ),
    ...(shown ? SHOWN : []),
    ...(shown && as === 'admin' ? SHOWN_TO_ADMINS : []),
  ].toSorted();
}

function snapshotFields(version: number, shown: boolean): Fields {
  return [
    ...SNAPSHOT,
    ...SNAPSHOT_SINCE.flatMap(([since, names]) => (version >= since ? names : [])),
    ...(shown ? SNAPSHOT_SHOWN : []),
  ].toSorted();
}

const keys = (value: object): Fields => Object.keys(value).toSorted();

describe('fields, by microversion, reply and role', () => {
  let api: TestApi;
  let hosts: Hosts;
  let volume: string;
  let snapshot: string;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api);
    volume = await availableVolume(api);
    const { body } = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volume } } });
    snapshot = body.snapshot.id;
    await eventually(async () =>
      assert.equal((await api.call('GET', `/snapshots/${snapshot}`)).body.snapshot.status, 'available'),
    );
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  it('of volumes', async () => {
    for (const version of VERSIONS) {
      for (const as of ['member', 'admin'] as const) {
        const label = `3.${version} as ${as}`;
        const options = { version, as };
        const shown = await api.call('GET', `/volumes/${volume}`, options);
        assert.deepEqual(keys(shown.body.volume), volumeFields(version, as, true), label);
        const listed = await api.call('GET', '/volumes/detail', options);
        assert.deepEqual(listed.body.volumes, [shown.body.volume], label);
        const brief = await api.call('GET', '/volumes', options);
        assert.deepEqual(keys(brief.body.volumes[0]), ['id', 'links', 'name'], label);
        const changed = await api.call('PUT', `/volumes/${volume}`, {
          ...options,
          body: { volume: { name: label } },
        });
        assert.deepEqual(keys(changed.body.volume), volumeFields(version, as, false), label);
      }
    }
    const created = await api.call('POST', '/volumes', { body: { volume: { size: 1 } } });
    assert.deepEqual(keys(created.body.volume), volumeFields(71, 'member', false));
    assert.equal(created.body.volume.service_uuid, null, 'it is nowhere yet');
    const { service_uuid } = (await api.call('GET', `/volumes/${volume}`)).body.volume;
    assert.match(service_uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    await volumeBecomes(api, created.body.volume.id, 'available');
    const other = (await api.call('GET', `/volumes/${created.body.volume.id}`)).body.volume;
    assert.equal(other.service_uuid, service_uuid, 'both are on one service');
  });

  it('of snapshots', async () => {
    for (const version of VERSIONS) {
      const shown = (await api.call('GET', `/snapshots/${snapshot}`, { version })).body.snapshot;
      assert.deepEqual(keys(shown), snapshotFields(version, true), `3.${version}`);
      const listed = await api.call('GET', '/snapshots/detail', { version });
      assert.deepEqual(listed.body.snapshots, [shown], `3.${version}`);
      const brief = await api.call('GET', '/snapshots', { version });
      assert.deepEqual(keys(brief.body.snapshots[0]), SNAPSHOT, `3.${version}`);
      const body = { snapshot: { description: `3.${version}` } };
      const changed = await api.call('PUT', `/snapshots/${snapshot}`, { version, body });
      assert.deepEqual(keys(changed.body.snapshot), snapshotFields(version, false), `3.${version}`);
    }
  });

  it('of attachments: a reservation, its connector, and what remains', async () => {
    const options = { version: 27 };
    const id = await availableVolume(api);
    const create = (more: object, version = 27) =>
      api.call('POST', '/attachments', { version, body: { attachment: { volume_uuid: id, ...more } } });
    const { attachment } = (await create({ connector: {} })).body;
    assert.deepEqual(attachment, {
      id: attachment.id,
      status: 'reserved',
      instance: null,
      volume_id: id,
      attached_at: '',
      detached_at: '',
      attach_mode: 'null',
      connection_info: {},
    });
    assert.deepEqual((await api.call('GET', `/attachments?volume_id=${id}`, options)).body.attachments, [
      { id: attachment.id, status: 'reserved', instance: null, volume_id: id },
    ]);
    assert.deepEqual(
      (await api.call('GET', `/attachments/detail?volume_id=${id}`, options)).body.attachments,
      [attachment],
    );
    assert.equal(
      (await api.call('PUT', `/attachments/${attachment.id}`, { body: { attachment: { connector: {} } } }))
        .status,
      400,
    );
    const connector = { initiator: 'iqn.1993-08.org.debian:01:abc', mode: 'ro' };
    const path = `/attachments/${attachment.id}`;
    const updated = await api.call('PUT', path, { body: { attachment: { connector } } });
    assert.equal(updated.body.attachment.attach_mode, 'null', 'the reply tells it as it was reserved');
    assert.equal((await api.call('GET', path)).body.attachment.attach_mode, 'ro');
    assert.deepEqual((await api.call('DELETE', path)).body, { attachments: [] });
    const chosen = (await create({ mode: 'rw' }, 54)).body.attachment;
    assert.equal(chosen.attach_mode, 'rw');
    const kept = await api.call('PUT', `/attachments/${chosen.id}`, { body: { attachment: { connector } } });
    assert.equal(kept.body.attachment.attach_mode, 'rw', 'what it was reserved for goes first');
  });
});
