import assert from 'node:assert/strict';
import { rotateSecrets } from '#queues/rotate-secrets.ts';
import { createSecrets } from '#queues/secrets.ts';
import { asId, type ImageId, type VolumeId } from '#schema/ids.ts';
import {
  OTHER_PROJECT,
  PROJECT,
  SECRET_KEY,
  startApi,
  type TestApi,
  TOKENS,
  type Who,
} from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { type Hosts, startHosts } from '../support/hosts.ts';

const NEW_KEY = 'cd'.repeat(32);

describe('encrypted volumes', function () {
  this.timeout(60_000);
  let api: TestApi;
  let hosts: Hosts;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api, { store: 'stor1' });
    for (const name of ['secret', 'plain', 'bare']) {
      const { body } = await api.call('POST', '/types', { as: 'admin', body: { volume_type: { name } } });
      if (name === 'plain') continue;
      const provider = name === 'secret' ? 'luks2' : 'plain';
      await api.call('POST', `/types/${body.volume_type.id}/encryption`, {
        as: 'admin',
        body: { encryption: { provider, control_location: 'front-end' } },
      });
    }
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const create = (volume: object) =>
    api.call('POST', '/volumes', { body: { volume: { size: 1, ...volume } } });
  const keys = () => api.db.selectFrom('encryption_keys').selectAll().execute();

  async function made(
    volume: object,
  ): Promise<{ id: string; encryption_key_id?: string; encrypted: boolean }> {
    const { status, body } = await create(volume);
    assert.equal(status, 202, JSON.stringify(body));
    return is(body.volume.id, 'available');
  }

  async function passphrase(volume: { id: string; encryption_key_id?: string }): Promise<string> {
    const key = (await keys()).find(({ id }) => id === volume.encryption_key_id);
    return createSecrets(SECRET_KEY).decrypt(key?.secret ?? '', volume.id);
  }

  async function is(id: string, wanted: string) {
    for (;;) {
      const { body } = await api.call('GET', `/volumes/${id}`);
      if (body.volume.status === wanted) return body.volume;
      assert.notEqual(body.volume.status, 'error');
    }
  }

  it('are those of a type that asks for it; each has a key, which is sealed and goes with it', async () => {
    const plain = await made({ volume_type: 'plain' });
    assert.deepEqual([plain.encrypted, 'encryption_key_id' in plain], [false, false]);
    const volume = await made({ volume_type: 'secret' });
    assert.equal(volume.encrypted, true);
    const [key] = await keys();
    assert.equal(key?.id, volume.encryption_key_id);
    assert.deepEqual([key?.cipher, key?.key_bits], ['aes-xts-plain64', 256]);
    assert.match(createSecrets(SECRET_KEY).decrypt(key?.secret ?? '', volume.id), /^[0-9a-f]{64}$/);

    const inClear = await api.call('GET', `/volumes/${plain.id}/encryption`);
    assert.deepEqual(inClear.body, { encryption_key_id: null });
    const shown = await api.call('GET', `/volumes/${volume.id}/encryption`, { as: 'reader' });
    assert.deepEqual(shown.body, {
      encryption_key_id: volume.encryption_key_id,
      control_location: 'front-end',
      cipher: null,
      key_size: null,
      provider: 'luks2',
    });
    const item = async (name: string, as: Who = 'member') => {
      const answer = await api.call('GET', `/volumes/${volume.id}/encryption/${name}`, { as });
      return [answer.status, answer.status === 200 ? answer.body : null];
    };
    assert.deepEqual(await item('provider'), [200, 'luks2']);
    assert.deepEqual(await item('key_size'), [200, undefined]);
    assert.deepEqual(await item('nothing'), [404, null]);
    assert.deepEqual(await item('provider', 'stranger'), [404, null]);

    const { body } = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volume.id } } });
    const snapshot: string = body.snapshot.id;
    for (;;) {
      const shown = await api.call('GET', `/snapshots/${snapshot}`);
      if (shown.body.snapshot.status === 'available') break;
    }
    // Copies have the passphrase, for their data have it, in keys of their own.
    const copies = [await made({ source_volid: volume.id }), await made({ snapshot_id: snapshot })];
    const all = await keys();
    assert.equal(all.length, 3);
    const opened = [volume, ...copies].map(({ id, encryption_key_id }) =>
      createSecrets(SECRET_KEY).decrypt(all.find((each) => each.id === encryption_key_id)?.secret ?? '', id),
    );
    assert.equal(new Set(opened).size, 1);

    const rotated = await rotateSecrets(api.db, createSecrets(`${NEW_KEY},${SECRET_KEY}`));
    assert.deepEqual([rotated.rotated, rotated.unreadable], [3, []]);
    for (const { secret } of await keys()) assert.equal(createSecrets(NEW_KEY).isCurrent(secret), true);
    await rotateSecrets(api.db, createSecrets(`${SECRET_KEY},${NEW_KEY}`));

    await api.call('DELETE', `/snapshots/${snapshot}`);
    for (const { id } of copies) await api.call('DELETE', `/volumes/${id}`);
    while ((await api.call('GET', `/snapshots/${snapshot}`)).status === 200);
    await api.call('DELETE', `/volumes/${volume.id}`);
    for (const { id } of [volume, ...copies])
      while ((await api.call('GET', `/volumes/${id}`)).status === 200);
    assert.deepEqual(await keys(), []);
  });

  it('are backed up with their keys, and restored with them to new volumes and over others', async () => {
    const volume = await made({ volume_type: 'secret' });
    const { body } = await api.call('POST', '/backups', { body: { backup: { volume_id: volume.id } } });
    const path = `/backups/${body.backup.id}`;
    for (;;) {
      const { backup } = (await api.call('GET', path)).body;
      if (backup.status === 'available') break;
      assert.notEqual(backup.status, 'error', backup.fail_reason);
    }
    const over = (id: string) =>
      api.call('POST', `${path}/restore`, { body: { restore: { volume_id: id } } });
    const backupIsFree = async () => {
      while ((await api.call('GET', path)).body.backup.status !== 'available');
    };
    assert.equal((await over(volume.id)).status, 202);
    assert.equal((await is(volume.id, 'available')).encryption_key_id, volume.encryption_key_id, 'it fits');
    await backupIsFree();
    const plain = await made({ volume_type: 'plain' });
    const mixed = await over(plain.id);
    assert.equal(mixed.status, 400);
    assert.match(
      mixed.body.badRequest.message,
      /is not encrypted and backup .* is: restore it to a new volume/,
    );
    const other = await made({ volume_type: 'secret' });
    const { snapshot } = (
      await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: other.id } } })
    ).body;
    while ((await api.call('GET', `/snapshots/${snapshot.id}`)).body.snapshot.status !== 'available');
    const kept = await over(other.id);
    assert.equal(kept.status, 400);
    assert.match(
      kept.body.badRequest.message,
      /has snapshots, which backup .* would leave without their key/,
    );
    await api.call('DELETE', `/snapshots/${snapshot.id}`);
    while ((await api.call('GET', `/snapshots/${snapshot.id}`)).status === 200);
    assert.notEqual(await passphrase(other), await passphrase(volume));
    assert.equal((await over(other.id)).status, 202);
    const changed = await is(other.id, 'available');
    assert.notEqual(changed.encryption_key_id, other.encryption_key_id);
    assert.equal(await passphrase(changed), await passphrase(volume), 'opens as what was backed up');
    assert.equal((await keys()).length, 3, 'its former key has gone with its former data');
    await backupIsFree();
    for (const { id } of [plain, other]) {
      await api.call('DELETE', `/volumes/${id}`);
      while ((await api.call('GET', `/volumes/${id}`)).status === 200);
    }
    assert.equal((await api.call('GET', `${path}/export_record`, { as: 'admin' })).status, 400);
    const before = await passphrase(volume);
    await api.call('DELETE', `/volumes/${volume.id}`);
    while ((await api.call('GET', `/volumes/${volume.id}`)).status === 200);

    const restored = await api.call('POST', `${path}/restore`, { body: { restore: {} } });
    assert.equal(restored.status, 202, JSON.stringify(restored.body));
    const again = await is(restored.body.restore.volume_id, 'available');
    assert.equal(again.encrypted, true);
    assert.equal(await passphrase(again), before);

    await api.call('DELETE', path);
    while ((await api.call('GET', path)).status === 200);
    await api.call('DELETE', `/volumes/${again.id}`);
    while ((await api.call('GET', `/volumes/${again.id}`)).status === 200);
    assert.deepEqual(await keys(), []);
  });

  it('are never made without encryption, nor by half', async () => {
    assert.equal((await create({ volume_type: 'bare' })).status, 400);
    const [plain, secret] = [await made({ volume_type: 'plain' }), await made({ volume_type: 'secret' })];
    for (const mixed of [
      { source_volid: plain.id, volume_type: 'secret' },
      { source_volid: secret.id, volume_type: 'plain' },
    ]) {
      const { status, body } = await create(mixed);
      assert.equal(status, 400);
      assert.match(body.badRequest.message, /requested type is not compatible/);
    }
  });

  it('get another type of the same encryption, and stay as they are; of another, and get another key', async () => {
    for (const [name, size, multiattach] of [
      ['as secret', 256, false],
      ['more secret', 512, false],
      ['shared secret', 256, true],
    ] as const) {
      const extra_specs = multiattach ? { multiattach: '<is> True' } : {};
      const { body } = await api.call('POST', '/types', {
        as: 'admin',
        body: { volume_type: { name, extra_specs } },
      });
      const encryption = { provider: 'luks', key_size: size, control_location: 'front-end' };
      await api.call('POST', `/types/${body.volume_type.id}/encryption`, {
        as: 'admin',
        body: { encryption },
      });
    }
    const volume = await made({ volume_type: 'secret' });
    const retype = (new_type: string, migration_policy = 'never') =>
      api.call('POST', `/volumes/${volume.id}/action`, {
        as: 'admin',
        body: { 'os-retype': { new_type, migration_policy } },
      });
    assert.match((await retype('shared secret')).body.badRequest.message, /both encryption and multi-attach/);
    assert.equal((await retype('as secret')).status, 202);
    const retyped = await is(volume.id, 'available');
    assert.deepEqual(
      [retyped.volume_type, retyped.encryption_key_id],
      ['as secret', volume.encryption_key_id],
    );
    // Another encryption is another key, for data that are copied; a type that a volume is getting keeps its encryption.
    const [before, opened] = [await keys(), await passphrase(volume)];
    assert.equal((await retype('more secret', 'never')).status, 202);
    const kept = await is(volume.id, 'available');
    assert.deepEqual([kept.volume_type, kept.encryption_key_id], ['as secret', volume.encryption_key_id]);
    assert.deepEqual(await keys(), before);
    assert.equal((await retype('more secret', 'on-demand')).status, 202);
    const anew = await is(volume.id, 'available');
    assert.equal(anew.volume_type, 'more secret');
    assert.notEqual(await passphrase(anew), opened);
    assert.deepEqual(
      (await keys()).filter(({ id }) => !before.some((key) => key.id === id)).map(({ key_bits }) => key_bits),
      [512],
    );
    assert.equal((await keys()).length, before.length, 'the former key has gone');
    assert.equal((await retype('plain', 'on-demand')).status, 202);
    assert.equal((await is(volume.id, 'available')).encrypted, false);
    assert.equal((await keys()).length, before.length - 1);
  });

  it('are not let go of without their keys', async () => {
    const { id } = await made({ volume_type: 'secret' });
    for (const action of [{ 'os-unmanage': null }]) {
      const { status, body } = await api.call('POST', `/volumes/${id}/action`, { as: 'admin', body: action });
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(body.badRequest.message, /is encrypted and cannot be/);
    }
    assert.equal((await is(id, 'available')).encrypted, true);
  });

  it('are uploaded as they are, to images whose keys nobody can choose', async () => {
    const volume = await made({ volume_type: 'secret' });
    const upload = (rest: object) =>
      api.call('POST', `/volumes/${volume.id}/action`, {
        body: { 'os-volume_upload_image': { image_name: 'sealed', ...rest } },
      });
    for (const formats of [{ disk_format: 'qcow2' }, { container_format: 'ovf' }]) {
      const { status, body } = await upload(formats);
      assert.equal(status, 400);
      assert.match(
        body.badRequest.message,
        /must use 'raw' disk_format and 'bare' container_format, which are/,
      );
    }
    const before = (await keys()).length;
    const { status, body } = await upload({});
    assert.equal(status, 202, JSON.stringify(body));
    const id: string = body['os-volume_upload_image'].image_id;
    await is(volume.id, 'available');
    const path = `/images/${id}`;
    const image = (await api.image('GET', path)).body;
    const key = (await keys()).find((each) => each.id === image.cinder_encryption_key_id);
    assert.equal(image.cinder_encryption_key_deletion_policy, 'on_image_deletion');
    assert.notEqual(key?.id, volume.encryption_key_id);
    assert.equal(createSecrets(SECRET_KEY).decrypt(key?.secret ?? '', id), await passphrase(volume));
    const sealed = createSecrets(SECRET_KEY);
    assert.throws(() => sealed.decrypt(key?.secret ?? '', volume.id), 'it opens nothing else');
    const rotated = await rotateSecrets(api.db, createSecrets(`${NEW_KEY},${SECRET_KEY}`));
    assert.deepEqual(rotated.unreadable, []);
    await rotateSecrets(api.db, createSecrets(`${SECRET_KEY},${NEW_KEY}`));

    // Neither data nor key of somebody's own making.
    const put = await heldFetch(`${api.url}/image/v2${path}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': 'application/octet-stream' },
      body: 'LUKS',
    });
    assert.equal(put.status, 403);
    for (const name of ['cinder_encryption_key_id', 'cinder_encryption_key_deletion_policy']) {
      const wish = { name: 'mine', disk_format: 'raw', container_format: 'bare', [name]: key?.id };
      assert.equal((await api.image('POST', '/images', { body: wish })).status, 403);
    }
    await api.db
      .updateTable('images')
      .set({ status: 'active', size: 1024 ** 3 })
      .where('id', '=', asId<ImageId>(id))
      .execute();
    const wanted = { size: 1, imageRef: id, volume_type: 'secret' };
    const stranger = await api.call('POST', '/volumes', { as: 'stranger', body: { volume: wanted } });
    assert.ok([400, 404].includes(stranger.status), 'who may not see it gets no key');
    assert.equal((await keys()).length, before + 1);
    const reimage = { 'os-reimage': { image_id: id } };
    assert.equal((await api.call('POST', `/volumes/${volume.id}/action`, { body: reimage })).status, 400);
    const copy = await made(wanted);
    assert.equal(await passphrase(copy), await passphrase(volume));
    assert.equal((await keys()).length, before + 2);
    assert.equal((await api.image('DELETE', path)).status, 204);
    assert.equal(
      (await keys()).some((each) => each.id === key?.id),
      false,
    );
    assert.equal((await keys()).length, before + 1);
  });

  it('are given to another project with their keys, by the newer name and from 3.70 on', async () => {
    const { id, encryption_key_id: key } = await made({ volume_type: 'secret' });
    const offer = (path: string, version: number, rest: object = {}) =>
      api.call('POST', path, { version, body: { transfer: { volume_id: id, ...rest } } });
    for (const [path, version, rest, words] of [
      ['/volume-transfers', 69, {}, 'transferring encrypted volume is not supported'],
      ['/os-volume-transfer', 70, {}, 'transferring encrypted volume is not supported'],
      [
        '/volume-transfers',
        70,
        { no_snapshots: true },
        'transferring an encrypted volume without its snapshots is not supported',
      ],
    ] as const) {
      const { status, body } = await offer(path, version, rest);
      assert.equal(status, 400);
      assert.equal(body.badRequest.message, `Invalid volume: ${words}`);
    }
    await is(id, 'available');
    const keyOwner = async () => (await keys()).find((each) => each.id === key)?.project_id;
    assert.equal(await keyOwner(), PROJECT);

    const { status, body } = await offer('/volume-transfers', 70);
    assert.equal(status, 202, JSON.stringify(body));
    const { id: transfer, auth_key } = body.transfer;
    const accept = (theirs: string) =>
      api.call('POST', `/volume-transfers/${transfer}/accept`, {
        as: 'stranger',
        body: { accept: { auth_key: theirs } },
      });
    assert.equal((await accept('no such key')).status, 400);
    assert.equal(await keyOwner(), PROJECT);
    // The volume and its key go together or not at all.
    await api.db
      .updateTable('volumes')
      .set({ status: 'error' })
      .where('id', '=', asId<VolumeId>(id))
      .execute();
    assert.equal((await accept(auth_key)).status, 400);
    assert.equal(await keyOwner(), PROJECT);
    await api.db
      .updateTable('volumes')
      .set({ status: 'awaiting-transfer' })
      .where('id', '=', asId<VolumeId>(id))
      .execute();
    assert.equal((await accept(auth_key)).status, 202);
    assert.equal(await keyOwner(), OTHER_PROJECT);

    assert.equal((await create({ source_volid: id })).status, 404, 'its former owner cannot copy it');
    const theirs = await api.call('GET', `/volumes/${id}`, { as: 'stranger' });
    assert.equal(theirs.body.volume.encryption_key_id, key);
    assert.match(
      await passphrase({ id, ...(key !== undefined && { encryption_key_id: key }) }),
      /^[0-9a-f]{64}$/,
    );
    assert.equal((await api.call('DELETE', `/volumes/${id}`, { as: 'stranger' })).status, 202);
    while ((await api.call('GET', `/volumes/${id}`, { as: 'stranger' })).status === 200);
    assert.equal(await keyOwner(), undefined);
  });

  it('are said to be encrypted to whoever connects by himself', async () => {
    for (const [volume_type, encrypted] of [
      ['plain', false],
      ['secret', true],
    ] as const) {
      const { id } = await made({ volume_type });
      const { status, body } = await api.call('POST', `/volumes/${id}/action`, {
        body: { 'os-initialize_connection': { connector: { initiator: `iqn.2010-10.org.test:${id}` } } },
      });
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.connection_info.data.encrypted, encrypted);
    }
  });
});
