import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type ImageId, type VolumeId } from '#schema/ids.ts';
import { type Answer, startApi, type TestApi, TOKENS } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('volumes from a source, and images from volumes', () => {
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

  const create = (volume: Record<string, unknown>): Promise<Answer> =>
    api.call('POST', '/volumes', { body: { volume } });
  const show = async (id: string): Promise<Answer['body']> =>
    (await api.call('GET', `/volumes/${id}`)).body.volume;
  const act = (id: string, body: object): Promise<Answer> =>
    api.call('POST', `/volumes/${id}/action`, { body });

  async function made(volume: Record<string, unknown>): Promise<string> {
    const { status, body } = await create(volume);
    assert.equal(status, 202, JSON.stringify(body));
    await volumeBecomes(api, body.volume.id, 'available');
    return body.volume.id;
  }

  async function image(
    fields: Record<string, unknown> = {},
    as: 'member' | 'stranger' = 'member',
  ): Promise<string> {
    const body = {
      name: 'disk',
      disk_format: 'raw',
      container_format: 'bare',
      os_distro: 'debian',
      ...fields,
    };
    const { id } = (await api.image('POST', '/images', { as, body })).body;
    const { status } = await heldFetch(`${api.url}/image/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS[as], 'Content-Type': 'application/octet-stream' },
      body: Buffer.from('data'),
    });
    assert.equal(status, 204);
    return id;
  }

  async function snapshot(volume: string): Promise<string> {
    const { body } = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volume } } });
    await eventually(async () => {
      const shown = await api.call('GET', `/snapshots/${body.snapshot.id}`);
      assert.equal(shown.body.snapshot.status, 'available');
    });
    return body.snapshot.id;
  }

  it('an image of a snapshot, as Nova makes them, stands for the snapshot from 3.46', async () => {
    const taken = await snapshot(await made({ size: 2 }));
    const mapping = [{ source_type: 'snapshot', boot_index: 0, snapshot_id: taken }];
    const imageRef = await image({ block_device_mapping: JSON.stringify(mapping) });
    assert.equal(hosts.model.filled.get(await made({ size: 2, imageRef })), `snapshot ${taken}`);
    const { body } = await api.call('POST', '/volumes', {
      version: 45,
      body: { volume: { size: 2, imageRef } },
    });
    await volumeBecomes(api, body.volume.id, 'available');
    assert.equal(hosts.model.filled.get(body.volume.id), `image ${imageRef}`);

    const gone = randomUUID();
    const left = await image({
      block_device_mapping: JSON.stringify([{ ...mapping[0], snapshot_id: gone }]),
    });
    const refused = await api.call('POST', '/volumes', { body: { volume: { size: 2, imageRef: left } } });
    assert.equal(
      refused.body.itemNotFound.message,
      `Nova specific image is found, but boot volume snapshot id:${gone} not found.`,
    );
  });

  it('an image makes a volume bootable, and is remembered by it and its copies', async () => {
    const id = await image();
    const volume = await made({ size: 1, imageRef: id });
    assert.equal(hosts.model.filled.get(volume), `image ${id}`);
    const shown = await show(volume);
    assert.equal(shown.bootable, 'true');
    const metadata = shown.volume_image_metadata;
    assert.deepEqual([metadata.image_id, metadata.os_distro, metadata.size], [id, 'debian', '4']);

    const copy = await made({ source_volid: volume });
    assert.equal(hosts.model.filled.get(copy), `volume ${volume}`);
    const taken = await snapshot(copy);
    const third = await show(await made({ snapshot_id: taken, size: 3 }));
    assert.deepEqual([third.size, third.snapshot_id, third.source_volid], [3, taken, null]);
    assert.equal(third.bootable, 'true');
    assert.deepEqual(third.volume_image_metadata, metadata);
    assert.equal((await show(copy)).source_volid, volume);
    const { body } = await api.call('GET', '/volumes/detail');
    const listed = body.volumes.find((item: { id: string }) => item.id === copy);
    assert.deepEqual(listed.volume_image_metadata, metadata);

    const { body: operations } = await api.call('GET', `/operations?volume_id=${third.id}`);
    assert.equal(operations.operations[0].kind, 'volume.create');
  });

  it('a source is checked: that it is there, ready, and fits', async () => {
    const volume = await availableVolume(api, { size: 2 });
    const large = await image({ min_disk: 5 });
    const foreign = await image({ visibility: 'private' }, 'stranger');
    const { body: empty } = await api.image('POST', '/images', { body: {} });
    for (const [wanted, status, message] of [
      [{ source_volid: randomUUID() }, 404, /Volume .* could not be found/],
      [{ snapshot_id: randomUUID() }, 404, /Snapshot .* could not be found/],
      [{ size: 1, imageRef: randomUUID() }, 400, /Invalid image identifier/],
      [{ size: 1, imageRef: foreign }, 400, /Invalid image identifier/],
      [{ source_volid: volume, size: 1 }, 400, /cannot be smaller than original volume size/],
      [{ imageRef: large, size: 4 }, 400, /image minDisk size 5GB/],
      [{ imageRef: large }, 400, /could not comply with the request/],
      [{ imageRef: empty.id, size: 1 }, 400, /is not active/],
      [
        { imageRef: large, source_volid: volume, size: 9 },
        400,
        /only one of backup, imageRef, snapshot, source volume/,
      ],
      [{ source_volid: volume, availability_zone: 'mars' }, 400, /zone 'mars' is invalid/],
    ] as const) {
      const answer = await create(wanted);
      assert.equal(answer.status, status, JSON.stringify([wanted, answer.body]));
      assert.match(JSON.stringify(answer.body), message);
    }
    await api.db
      .updateTable('images')
      .set({ disk_format: 'qcow2', virtual_size: 3 * 1024 ** 3 + 1 })
      .where('id', '=', asId<ImageId>(large))
      .execute();
    // Cinder takes an image's name as well, unless several have it.
    await api.db
      .updateTable('images')
      .set({ name: 'trixie' })
      .where('id', '=', asId<ImageId>(large))
      .execute();
    assert.equal((await create({ imageRef: 'trixie', size: 9 })).body.volume.bootable, 'true');
    await api.db.updateTable('images').set({ name: 'trixie' }).where('id', '=', empty.id).execute();
    const either = await create({ imageRef: 'trixie', size: 9 });
    assert.equal(
      either.body.conflictingRequest.message,
      "Multiple matches found for 'trixie', use an ID to be more specific.",
    );
    const bomb = await create({ imageRef: large, size: 3 });
    assert.match(bomb.body.badRequest.message, /specified image 4GB is larger than volume size 3GB/);
    await api.call('POST', '/types', {
      as: 'admin',
      body: { volume_type: { name: 'elsewhere', extra_specs: { volume_backend_name: 'other' } } },
    });
    const elsewhere = await create({ source_volid: volume, volume_type: 'elsewhere' });
    assert.match(elsewhere.body.badRequest.message, /requested type is not compatible/);
  });

  it('is told when there is no room beside the source', async () => {
    const volume = await availableVolume(api);
    const { body } = await create({ source_volid: volume, size: 5_000 });
    await volumeBecomes(api, body.volume.id, 'error');
    const { body: operations } = await api.call('GET', `/operations?volume_id=${body.volume.id}`);
    assert.match(operations.operations[0].error, /must lie where its source is.*has room for/);
  });

  it('a source stays while a volume is made from it', async () => {
    const volume = await availableVolume(api);
    const taken = await snapshot(volume);
    const copies = [
      (await create({ snapshot_id: taken })).body.volume.id,
      (await create({ source_volid: volume })).body.volume.id,
    ];
    const setStatus = async (status: 'creating' | 'available') => {
      for (const id of copies) {
        await api.db.updateTable('volumes').set({ status }).where('id', '=', asId<VolumeId>(id)).execute();
      }
    };
    for (const id of copies) await volumeBecomes(api, id, 'available');
    await setStatus('creating');
    assert.match(
      (await api.call('DELETE', `/snapshots/${taken}`)).body.badRequest.message,
      /no volume may be in creation from it/,
    );
    assert.equal((await api.call('DELETE', `/volumes/${volume}?cascade=true`)).status, 400);
    await setStatus('available');
    assert.equal((await api.call('DELETE', `/volumes/${volume}?cascade=true`)).status, 202);
    await eventually(async () => assert.equal((await api.call('GET', `/volumes/${volume}`)).status, 404));
  });

  it("a volume's image metadata are set, shown and unset; so is whether it boots", async () => {
    const volume = await availableVolume(api);
    assert.equal((await show(volume)).volume_image_metadata, undefined);
    const set = await act(volume, { 'os-set_image_metadata': { metadata: { hw_disk_bus: 'scsi', a: 'b' } } });
    assert.deepEqual(set.body.metadata, { hw_disk_bus: 'scsi', a: 'b' });
    assert.equal((await act(volume, { 'os-unset_image_metadata': { key: 'a' } })).status, 200);
    assert.equal((await act(volume, { 'os-unset_image_metadata': { key: 'a' } })).status, 404);
    const shown = await act(volume, { 'os-show_image_metadata': null });
    assert.deepEqual(shown.body.metadata, { hw_disk_bus: 'scsi' });
    assert.equal((await act(volume, { 'os-set_bootable': { bootable: true } })).status, 200);
    assert.equal((await show(volume)).bootable, 'true');
  });

  const upload = (fields: object) => ({ 'os-volume_upload_image': { image_name: 'made', ...fields } });

  it('a volume becomes an image', async () => {
    const volume = await made({ size: 1, imageRef: await image() });
    const { status, body } = await act(volume, upload({ disk_format: 'qcow2', visibility: 'shared' }));
    assert.equal(status, 202, JSON.stringify(body));
    const { image_id: id, ...answer } = body['os-volume_upload_image'];
    assert.deepEqual([answer.id, answer.status, answer.size], [volume, 'uploading', 1]);
    await volumeBecomes(api, volume, 'available');
    assert.ok(hosts.model.uploads.has(id));
    const { body: shown } = await api.image('GET', `/images/${id}`);
    assert.deepEqual(
      [shown.name, shown.disk_format, shown.visibility, shown.min_disk, shown.os_distro],
      ['made', 'qcow2', 'shared', 1, 'debian'],
    );
  });

  it('before anything can be asked of it, an image is as Glance makes it', async () => {
    const volume = await availableVolume(api);
    const path = `/volumes/${volume}/action`;
    const { status, body } = await api.call('POST', path, { body: upload({}), version: 0 });
    assert.equal(status, 202, JSON.stringify(body));
    const { image_id: id, visibility, protected: kept } = body['os-volume_upload_image'];
    assert.deepEqual([visibility, kept], ['shared', false]);
    await volumeBecomes(api, volume, 'available');
    assert.equal((await api.image('GET', `/images/${id}`)).body.visibility, 'shared');
  });

  it('a volume in use becomes one when it is forced; what fails leaves no image behind', async () => {
    const volume = await availableVolume(api);
    const use = (status: 'in-use' | 'available') =>
      api.db.updateTable('volumes').set({ status }).where('id', '=', asId<VolumeId>(volume)).execute();
    await use('in-use');
    assert.equal((await act(volume, upload({}))).status, 400);
    assert.equal((await act(volume, upload({ force: true }))).status, 202);
    await volumeBecomes(api, volume, 'available');
    assert.equal((await act(volume, upload({ disk_format: 'iso' }))).status, 400);
    assert.equal((await act(volume, upload({ visibility: 'public' }))).status, 403);
    hosts.model.volumes.delete(volume);
    const { body } = await act(volume, upload({}));
    await volumeBecomes(api, volume, 'available');
    const gone = await api.image('GET', `/images/${body['os-volume_upload_image'].image_id}`);
    assert.equal(gone.status, 404);
  });
});
