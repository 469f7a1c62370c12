import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { asId, type VolumeId } from '#schema/ids.ts';
import { type Answer, startApi, type TestApi, TOKENS } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

type Mapping = Record<string, unknown>;

describe('servers made with several volumes', () => {
  let api: TestApi;
  let hosts: Hosts;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api);
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await eventually(async () => {
      const held = await api.db
        .selectFrom('volumes')
        .select('id')
        .where('operation_id', 'is not', null)
        .execute();
      assert.deepEqual(held, []);
      assert.deepEqual(await api.db.selectFrom('attachments').select('id').execute(), []);
    });
    assert.deepEqual(
      [[...hosts.model.servers], [...hosts.model.disks], [...hosts.model.exports]],
      [[], [], []],
    );
  });

  async function bootable(): Promise<string> {
    const id = await availableVolume(api);
    await api.db.updateTable('volumes').set({ bootable: 1 }).where('id', '=', asId<VolumeId>(id)).execute();
    return id;
  }

  const existing = (uuid: string, more: Mapping = {}): Mapping => ({
    source_type: 'volume',
    destination_type: 'volume',
    boot_index: -1,
    uuid,
    ...more,
  });
  const blank = (more: Mapping = {}): Mapping => ({
    source_type: 'blank',
    destination_type: 'volume',
    volume_size: 2,
    ...more,
  });

  const create = (mappings: readonly Mapping[], flavorRef = '1'): Promise<Answer> =>
    api.compute('POST', '/servers', {
      body: { server: { name: 'web', flavorRef, networks: 'none', block_device_mapping_v2: mappings } },
    });
  const show = async (id: string): Promise<Answer['body']> =>
    (await api.compute('GET', `/servers/${id}`)).body.server;
  const becomes = (id: string, status: string) =>
    eventually(async () => assert.equal((await show(id)).status, status));
  const attachedTo = async (id: string): Promise<Record<string, unknown>[]> =>
    (await api.compute('GET', `/servers/${id}/os-volume_attachments`)).body.volumeAttachments;
  const volume = async (id: string): Promise<Answer['body']> =>
    (await api.call('GET', `/volumes/${id}`)).body.volume;
  const exists = async (id: string): Promise<boolean> =>
    (await api.call('GET', `/volumes/${id}`)).status === 200;

  async function remove(id: string): Promise<void> {
    assert.equal((await api.compute('DELETE', `/servers/${id}`)).status, 204);
    await eventually(async () => assert.equal((await api.compute('GET', `/servers/${id}`)).status, 404));
  }

  it('may write on none that is flagged as read-only, the root volume neither', async () => {
    const [root, data] = [await bootable(), await availableVolume(api)];
    for (const id of [root, data]) {
      const body = { 'os-update_readonly_flag': { readonly: true } };
      assert.equal((await api.call('POST', `/volumes/${id}/action`, { body })).status, 202);
    }
    const told = new Map<string, unknown>();
    const carryOut = hosts.model.carryOut.bind(hosts.model);
    hosts.model.carryOut = (task, input) => {
      if (task === 'server.ensure' || task === 'disk.attach')
        told.set(task, (input as { readonly: boolean }).readonly);
      return carryOut(task, input);
    };
    const { id } = (await create([existing(root, { boot_index: 0 }), existing(data)])).body.server;
    await becomes(id, 'ACTIVE');
    await volumeBecomes(api, data, 'in-use');
    hosts.model.carryOut = carryOut;
    assert.deepEqual(Object.fromEntries(told), { 'server.ensure': true, 'disk.attach': true });
    await remove(id);
  });

  it('has them all: one that was there, a blank one, one from a snapshot, one from an image', async () => {
    const [root, data, origin] = [await bootable(), await availableVolume(api), await availableVolume(api)];
    const taken = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: origin } } });
    const snapshot = taken.body.snapshot.id;
    await eventually(async () => {
      const { body } = await api.call('GET', `/snapshots/${snapshot}`);
      assert.equal(body.snapshot.status, 'available');
    });
    const image = (
      await api.image('POST', '/images', { body: { disk_format: 'raw', container_format: 'bare' } })
    ).body.id;
    await heldFetch(`${api.url}/image/v2/images/${image}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': 'application/octet-stream' },
      body: Buffer.alloc(1_000, 1),
    });

    // The root need not come first.
    const made = await create([
      existing(data, { device_name: '/dev/vdf' }),
      existing(root, { boot_index: 0 }),
      blank({ delete_on_termination: true }),
      { ...blank(), source_type: 'snapshot', uuid: snapshot, volume_size: null },
      { ...blank(), source_type: 'image', uuid: image, boot_index: null },
    ]);
    assert.equal(made.status, 202, JSON.stringify(made.body));
    const { id } = made.body.server;
    assert.equal((await attachedTo(id)).length, 5, 'they are the server’s from the first moment');
    await becomes(id, 'ACTIVE');
    const mine = (await attachedTo(id)).map(({ volumeId }) => String(volumeId));
    for (const each of mine) await volumeBecomes(api, each, 'in-use');

    const attached = await attachedTo(id);
    const by = (which: string) => attached.find(({ volumeId }) => volumeId === which);
    assert.equal(by(root)?.['device'], '/dev/vda');
    assert.equal(by(data)?.['device'], '/dev/vdf');
    assert.deepEqual(
      attached.map(({ delete_on_termination: goes }) => goes).filter((goes) => goes === true).length,
      1,
    );
    const others = await Promise.all(mine.filter((each) => each !== root && each !== data).map(volume));
    const fromSnapshot = others.find(({ snapshot_id: from }) => from === snapshot);
    const fromImage = others.find((each) => each.bootable === 'true');
    assert.deepEqual([fromSnapshot?.size, fromImage?.size, others.length], [1, 2, 3]);
    assert.equal(hosts.model.disks.size, 5);

    await remove(id);
    for (const kept of [root, data, fromSnapshot.id, fromImage.id])
      await volumeBecomes(api, kept, 'available');
    await eventually(async () => {
      const left = await Promise.all(mine.map(exists));
      assert.equal(left.filter((there) => !there).length, 1, 'the marked one goes with the server');
    });
  });

  it('are what the stock command line asks for', async function () {
    this.timeout(60_000);
    const execute = promisify(execFile);
    if ((await execute('openstack', ['--version']).catch(() => undefined)) === undefined) this.skip();
    const [root, data] = [await bootable(), await availableVolume(api)];
    const auth = ['--os-auth-type', 'v3token', '--os-token', TOKENS.member];
    const where = ['--os-auth-url', `${api.url}/identity/v3`, '--os-compute-api-version', '2.79'];
    const words = [
      'server',
      'create',
      '--volume',
      root,
      '--flavor',
      'm1.tiny',
      '--nic',
      'none',
      '-f',
      'json',
    ];
    const disks = [
      `uuid=${data},source_type=volume,destination_type=volume,boot_index=-1,device_name=/dev/vdf`,
      'source_type=blank,destination_type=volume,volume_size=4,boot_index=-1,delete_on_termination=true',
    ].flatMap((each) => ['--block-device', each]);
    const { stdout } = await execute('openstack', [...auth, ...where, ...words, ...disks, 'db']);
    const { id } = JSON.parse(stdout);
    await becomes(id, 'ACTIVE');
    await volumeBecomes(api, data, 'in-use');
    const devices = (await attachedTo(id)).map(({ device }) => device);
    assert.equal(devices.length, 3);
    assert.ok(devices.includes('/dev/vdf'));
    await eventually(async () => assert.equal(hosts.model.disks.size, 3));
    await remove(id);
    await volumeBecomes(api, root, 'available');
  });

  it('lets go of all of them when the server cannot be made', async () => {
    const [root, kept] = [await bootable(), await availableVolume(api)];
    const huge = { name: `huge-${root}`, vcpus: 500, ram: 1_000_000, disk: 0 };
    const { body } = await api.compute('POST', '/flavors', { as: 'admin', body: { flavor: huge } });
    const made = await create(
      [
        existing(root, { boot_index: 0 }),
        existing(kept, { delete_on_termination: true }),
        blank({ delete_on_termination: true }),
        blank(),
      ],
      body.flavor.id,
    );
    const { id } = made.body.server;
    const mine = (await attachedTo(id)).map(({ volumeId }) => String(volumeId));
    await becomes(id, 'ERROR');
    await volumeBecomes(api, root, 'available');
    await volumeBecomes(api, kept, 'available');
    await eventually(async () => {
      const others = mine.filter((each) => each !== root && each !== kept);
      const left = (await Promise.all(others.map(exists))).filter((there) => there);
      assert.equal(left.length, 1, 'only what was made for the server, and was to go with it, goes');
    });
    assert.deepEqual(await attachedTo(id), []);
    await remove(id);
  });

  it('runs without a volume that cannot be made, which says why', async () => {
    const root = await bootable();
    const type = { name: `nowhere-${root}`, extra_specs: { volume_backend_name: 'nowhere' } };
    await api.call('POST', '/types', { as: 'admin', body: { volume_type: type } });
    const made = await create([existing(root, { boot_index: 0 }), blank({ volume_type: type.name })]);
    const { id } = made.body.server;
    const lost = (await attachedTo(id))
      .map(({ volumeId }) => String(volumeId))
      .find((each) => each !== root)!;
    await becomes(id, 'ACTIVE');
    await volumeBecomes(api, lost, 'error');
    await eventually(async () => assert.equal((await attachedTo(id)).length, 1));
    assert.equal((await volume(lost)).status, 'error');
    const { body } = await api.call('GET', `/operations?volume_id=${lost}`);
    assert.match(JSON.stringify(body.operations), /could not be made/);
    await remove(id);
    assert.equal((await api.call('DELETE', `/volumes/${lost}`)).status, 202);
  });

  it('may be deleted before it is whole', async () => {
    const [root, data] = [await bootable(), await availableVolume(api)];
    const made = await create([
      existing(root, { boot_index: 0 }),
      existing(data),
      blank({ delete_on_termination: true }),
    ]);
    const mine = (await attachedTo(made.body.server.id)).map(({ volumeId }) => String(volumeId));
    await remove(made.body.server.id);
    await volumeBecomes(api, root, 'available');
    await volumeBecomes(api, data, 'available');
    await eventually(async () => {
      const left = await Promise.all(mine.filter((each) => each !== root && each !== data).map(exists));
      assert.deepEqual(left, [false]);
    });
  });

  it('takes all the volumes, or none', async () => {
    const [root, data, busy] = [await bootable(), await availableVolume(api), await availableVolume(api)];
    await api.db
      .updateTable('volumes')
      .set({ status: 'reserved' })
      .where('id', '=', asId<VolumeId>(busy))
      .execute();
    const boot = existing(root, { boot_index: 0 });
    for (const [mappings, why] of [
      [[boot, existing(data), existing(busy)], /must be 'available'/],
      [[boot, existing(data), existing(data)], /named twice/],
      [[boot, existing(root)], /named twice/],
      [[boot, existing(data, { boot_index: 0 })], /count up from 0/],
      [[boot, existing(data, { boot_index: 2 })], /count up from 0/],
      [[existing(data)], /boot_index must be 0/],
      [[boot, existing(data, { device_name: '/dev/vda' })], /vda/],
      [[boot, blank({ device_name: 'vdb' }), blank({ device_name: '/dev/vdb' })], /another one/],
      [[boot, blank({ device_name: '../x' })], /device/],
      [[boot, blank({ volume_size: null })], /size/],
      [[boot, blank({ destination_type: 'local' })], /no disks but volumes/],
      [[boot, { source_type: 'blank', volume_size: 1 }], /must be a volume/],
      [[boot, { source_type: 'snapshot', destination_type: 'volume' }], /named by its uuid/],
      [[boot, existing(data, { tag: 'database' })], /Tags/],
    ] as const) {
      const { status, body } = await create(mappings);
      assert.equal(status, 400, JSON.stringify(mappings));
      assert.match(body.badRequest.message, why);
    }
    assert.deepEqual(await Promise.all([root, data].map(async (id) => (await volume(id)).status)), [
      'available',
      'available',
    ]);
    await api.db
      .updateTable('volumes')
      .set({ status: 'available' })
      .where('id', '=', asId<VolumeId>(busy))
      .execute();
  });
});
