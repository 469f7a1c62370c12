import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { createSecrets } from '#queues/secrets.ts';
import type { VolumeId } from '#schema/ids.ts';
import { SECRET_KEY, startApi, type TestApi } from '../support/api.ts';
import { eventually, volumeBecomes } from '../support/hosts.ts';
import { type StorageHosts, startStorageHosts } from '../support/storage.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const PIECE = 64 * 1024;
/** The last one as far back as the largest header needs. */
const PLACES = [0, GIB / 2, GIB - 4 * MIB];

describe('retype to another encryption, on real files', function () {
  this.timeout(590_000);
  let api: TestApi;
  let hosts: StorageHosts;
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-recoded-'));
    api = await startApi();
    hosts = await startStorageHosts(api);
    await type('clear', 'here');
    await type('sealed', 'here', { cipher: 'aes-xts-plain64', key_size: 256 });
    await type('away', 'away', { cipher: 'aes-xts-plain64', key_size: 512 });
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  async function type(name: string, backend: string, encryption?: object): Promise<void> {
    const { body } = await api.call('POST', '/types', {
      as: 'admin',
      body: { volume_type: { name, extra_specs: { volume_backend_name: backend } } },
    });
    if (encryption === undefined) return;
    await api.call('POST', `/types/${body.volume_type.id}/encryption`, {
      as: 'admin',
      body: { encryption: { provider: 'luks', control_location: 'front-end', ...encryption } },
    });
  }
  const create = async (volume_type: string): Promise<string> => {
    const { status, body } = await api.call('POST', '/volumes', {
      body: { volume: { size: 1, volume_type } },
    });
    assert.equal(status, 202, JSON.stringify(body));
    await volumeBecomes(api, body.volume.id, 'available');
    return body.volume.id;
  };
  const retype = (id: string, new_type: string, migration_policy?: string) =>
    api.call('POST', `/volumes/${id}/action`, {
      body: { 'os-retype': { new_type, ...(migration_policy !== undefined && { migration_policy }) } },
    });
  const show = async (id: string) => (await api.call('GET', `/volumes/${id}`, { as: 'admin' })).body.volume;
  const ended = (volume: string) =>
    eventually(async () => {
      const row = await api.db
        .selectFrom('operations')
        .select(['state', 'error'])
        .where('volume_id', '=', volume as VolumeId)
        .where('kind', '=', 'volume.retype')
        .orderBy('created_at', 'desc')
        .executeTakeFirstOrThrow();
      assert.ok(['done', 'undone', 'stuck'].includes(row.state), row.state);
      return row;
    }, 240_000);
  const keys = () => api.db.selectFrom('encryption_keys').selectAll().orderBy('id').execute();
  const filesOf = async (backend: string, id: string): Promise<string[]> =>
    (await readdir(dirname(hosts.path(backend, 'any')))).filter((name) => name.includes(id));

  const write = async (path: string): Promise<Buffer> => {
    const data = randomBytes(PLACES.length * PIECE);
    await using file = await open(path, 'r+');
    for (const [index, at] of PLACES.entries()) await file.write(data, index * PIECE, PIECE, at);
    return data;
  };
  const readAt = async (path: string, places = PLACES): Promise<Buffer> => {
    await using file = await open(path, 'r');
    const data = Buffer.alloc(places.length * PIECE);
    for (const [index, at] of places.entries()) await file.read(data, index * PIECE, PIECE, at);
    return data;
  };
  /** What a guest sees, by the key that MySQL has for the volume. */
  async function inside(backend: string, id: string): Promise<Buffer> {
    const path = hosts.path(backend, `volume-${id}`);
    const head = (await readAt(path, [0])).toString('latin1', 0, 4);
    const { encryption_key_id: keyId } = await show(id);
    if (keyId === undefined) {
      assert.notEqual(head, 'LUKS');
      return readAt(path);
    }
    assert.equal(head, 'LUKS');
    const key = (await keys()).find((each) => each.id === keyId);
    await writeFile(join(dir, 'key'), createSecrets(SECRET_KEY).decrypt(key?.secret ?? '', id));
    const options = `driver=luks,key-secret=k,file.driver=file,file.filename=${path}`;
    await systemRunner.run(
      'qemu-img',
      [
        'convert',
        '--object',
        `secret,id=k,file=${join(dir, 'key')}`,
        '--image-opts',
        options,
        '-O',
        'raw',
        join(dir, 'clear'),
      ],
      { timeoutMs: 120_000 },
    );
    return readAt(join(dir, 'clear'));
  }

  it('gives the volume its new data also where the former cannot be wiped, and resets none between two keys', async () => {
    const id = await create('clear');
    const data = await write(hosts.path('here', `volume-${id}`));
    const left = hosts.path('here', `deleting-${id}`);
    await mkdir(left);
    const reset = (status: string) =>
      api.call('POST', `/volumes/${id}/action`, { as: 'admin', body: { 'os-reset_status': { status } } });
    assert.equal((await retype(id, 'sealed', 'on-demand')).status, 202);
    const { state, error } = await ended(id);
    assert.equal(state, 'stuck');
    assert.match(error ?? '', /EISDIR|EPERM/);
    const { status, migration_status, volume_type, encryption_key_id } = await show(id);
    assert.deepEqual([status, migration_status, volume_type], ['available', 'success', 'sealed']);
    assert.deepEqual(
      (await keys()).map((key) => key.id),
      [encryption_key_id],
    );
    assert.ok((await inside('here', id)).equals(data));
    for (const to of ['error', 'available', 'error']) assert.equal((await reset(to)).status, 202, to);
    const steps = api.db.updateTable('operation_steps').where('name', '=', 'replace');
    await steps.set({ state: 'failed' }).execute();
    const { status: refused, body } = await reset('available');
    assert.equal(refused, 400);
    assert.match(body.badRequest.message, /between two encryptions/);
    await steps.set({ state: 'done' }).execute();
    await rm(left, { recursive: true });
    assert.equal((await api.call('DELETE', `/volumes/${id}`)).status, 202);
    await eventually(async () => assert.equal((await api.call('GET', `/volumes/${id}`)).status, 404));
    assert.deepEqual(await keys(), []);
  });

  it('encrypts where it lies, and encrypts otherwise on its way to another agent', async () => {
    const id = await create('clear');
    const data = await write(hosts.path('here', `volume-${id}`));
    hosts.commands.length = 0;
    for (const [to, backend, cipher] of [
      ['sealed', 'here', 'aes-xts-plain64 256'],
      ['away', 'away', 'aes-xts-plain64 512'],
    ] as const) {
      const { status, body } = await retype(id, to, 'on-demand');
      assert.equal(status, 202, JSON.stringify(body));
      assert.deepEqual(await ended(id), { state: 'done', error: null }, to);
      const volume = await show(id);
      assert.deepEqual(
        [volume.status, volume.migration_status, volume.volume_type, volume.encrypted],
        ['available', 'success', to, true],
      );
      assert.ok(volume['os-vol-host-attr:host'].endsWith(`#${backend}`));
      assert.deepEqual(
        (await keys()).map((key) => [key.id, `${key.cipher} ${key.key_bits}`]),
        [[volume.encryption_key_id, cipher]],
        'its key, and no other',
      );
      assert.ok((await inside(backend, id)).equals(data), `${to}: what was written is there`);
      assert.deepEqual(await filesOf(backend, id), [`volume-${id}`]);
      const raw = await readAt(hosts.path(backend, `volume-${id}`), [2 * MIB]);
      assert.equal(raw.includes(data.subarray(0, 512)), false);
    }
    assert.deepEqual(await filesOf('here', id), []);
    assert.ok(!hosts.commands.some((line) => /password=|secret,id=\w+,data=/.test(line)));
    const state = await readdir(join(dirname(hosts.path('away', '..')), 'state')).catch(() => []);
    assert.deepEqual(
      state.filter((name) => /passphrase|account-/.test(name)),
      [],
    );
    assert.equal((await api.call('DELETE', `/volumes/${id}`)).status, 202);
    await eventually(async () => assert.equal((await api.call('GET', `/volumes/${id}`)).status, 404));
    assert.deepEqual(await keys(), []);
  });

  it('is refused where it must not, and leaves the volume and the keys as they were', async () => {
    const id = await create('clear');
    const path = hosts.path('here', `volume-${id}`);
    const data = await write(path);
    const refused = async (words: RegExp, policy = 'on-demand'): Promise<void> => {
      assert.equal((await retype(id, 'sealed', policy)).status, 202);
      const { state, error } = await ended(id);
      assert.equal(state, 'undone');
      assert.match(error ?? '', words);
      const volume = await show(id);
      assert.deepEqual([volume.status, volume.volume_type, volume.encrypted], ['available', 'clear', false]);
      assert.deepEqual(await keys(), []);
      assert.deepEqual(await filesOf('here', id), [`volume-${id}`]);
    };
    await refused(/would have to be encrypted otherwise, and so copied, which was not allowed/, 'never');
    assert.equal((await show(id)).migration_status, null);
    await using file = await open(path, 'r+');
    await file.write(Buffer.from('a backup of the partition table'), 0, 31, GIB - 512);
    await refused(/the last \d+ bytes of the volume hold data, .* extend it by 1 GiB first/);
    assert.equal((await show(id)).migration_status, 'error');
    await file.write(Buffer.alloc(31), 0, 31, GIB - 512);
    const { snapshot } = (await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: id } } }))
      .body;
    await eventually(async () => {
      const { body } = await api.call('GET', `/snapshots/${snapshot.id}`);
      assert.equal(body.snapshot.status, 'available');
    });
    await refused(/has snapshots cannot get another encryption/);
    assert.ok((await inside('here', id)).equals(data));

    await api.db
      .updateTable('volumes')
      .set({ status: 'in-use' })
      .where('id', '=', id as VolumeId)
      .execute();
    const used = await retype(id, 'sealed', 'on-demand');
    assert.equal(used.status, 400);
    assert.match(
      used.body.badRequest.message,
      /retypes affecting encryption are only allowed on available volumes, .* a status of: in-use\./,
    );
    assert.deepEqual(await keys(), []);
  });
});
