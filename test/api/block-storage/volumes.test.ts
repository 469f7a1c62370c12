import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type EncryptionKeyId, type OperationId, type PoolName, type VolumeId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { type Answer, PROJECT, startApi, type TestApi } from '../support/api.ts';

describe('volumes', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const create = (volume: Record<string, unknown>): Promise<Answer> =>
    api.call('POST', '/volumes', { body: { volume } });

  it('answers 202 once the volume and its operation are committed', async () => {
    const { status, body } = await create({ size: 1, name: ' one ', metadata: { colour: 'blue' } });
    assert.equal(status, 202);
    assert.equal(body.volume.status, 'creating');
    assert.equal(body.volume.name, 'one');
    assert.deepEqual(body.volume.metadata, { colour: 'blue' });
    const operation = await api.db
      .selectFrom('operations')
      .selectAll()
      .where('volume_id', '=', body.volume.id)
      .executeTakeFirstOrThrow();
    assert.equal(operation.kind, 'volume.create');
    const shown = await api.call('GET', `/volumes/${body.volume.id}`);
    assert.equal(shown.status, 200);
    assert.equal(shown.body.volume.id, body.volume.id);
  });

  it("another project's volume does not exist", async () => {
    const { body } = await create({ size: 1 });
    for (const method of ['GET', 'DELETE'] as const) {
      const answer = await api.call(method, `/volumes/${body.volume.id}`, { as: 'stranger' });
      assert.equal(answer.status, 404);
      assert.equal(answer.body.itemNotFound.message, `Volume ${body.volume.id} could not be found.`);
    }
  });

  it('deletes from a legal status only, and once', async () => {
    const { body } = await create({ size: 1 });
    const path = `/volumes/${body.volume.id}`;
    assert.equal((await api.call('DELETE', path)).status, 400);
    await api.db
      .updateTable('volumes')
      .set({ status: 'available' })
      .where('id', '=', body.volume.id)
      .execute();
    assert.equal((await api.call('DELETE', path)).status, 202);
    const again = await api.call('DELETE', path);
    assert.match(again.body.badRequest.message, /^Invalid volume: Volume status must be available or /);
  });

  it('looks at hints for a scheduler, and follows none', async () => {
    const id = '11111111-1111-4111-8111-111111111111';
    for (const [hints, status] of [
      [null, 202],
      [{ same_host: id, different_host: [id], local_to_instance: null, anything: 5 }, 202],
      [{ query: { '=': ['$a', 'b'] } }, 202],
      [{ same_host: 'x' }, 400],
      [{ different_host: [id, id] }, 400],
      [{ local_to_instance: '' }, 400],
      [{ query: 5 }, 400],
      ['x', 400],
    ] as const) {
      const body = { volume: { size: 1 }, 'OS-SCH-HNT:scheduler_hints': hints };
      assert.equal((await api.call('POST', '/volumes', { body })).status, status, JSON.stringify(hints));
    }
  });

  it('tells, when it is changed, when it was changed before; and reads flags as Cinder does', async () => {
    const { body } = await create({ size: 1, name: 'a' });
    const path = `/volumes/${body.volume.id}`;
    const change = async (name: string) =>
      (await api.call('PUT', path, { body: { volume: { name } } })).body.volume;
    assert.equal((await change('b')).updated_at, null);
    const shown = await api.call('GET', path);
    const again = await change('c');
    assert.deepEqual([again.name, again.updated_at], ['c', shown.body.volume.updated_at]);
    for (const [method, query, flag] of [
      ['DELETE', `${path}?cascade=x`, 'cascade'],
      ['GET', '/volumes?with_count=x', 'with_count'],
      ['GET', '/volumes/summary?all_tenants=x', 'all_tenants'],
    ] as const) {
      const answer = await api.call(method, query, { as: 'admin' });
      assert.equal(answer.body.badRequest.message, `Value 'x' for '${flag}' is not a boolean.`);
    }
    const images = await api.call('POST', `${path}/action`, { body: { 'os-show_image_metadata': {} } });
    assert.equal(
      images.body.itemNotFound.message,
      `Glance metadata for volume/snapshot ${body.volume.id} cannot be found.`,
    );
    for (const [version, asked, message] of [
      [0, { 'os-migrate_volume': {} }, /Value: \{\}\. 'host' is a required property$/],
      [15, { 'os-migrate_volume': { cluster: 'c' } }, /\('cluster' was unexpected\)$/],
      [16, { 'os-migrate_volume': {} }, /One and only one of cluster and host must be set\.$/],
      [
        0,
        { 'os-volume_upload_image': { image_name: 'i', visibility: 'public' } },
        /'visibility' was unexpected/,
      ],
      [71, { revert: 'x' }, /^Missing required element 'revert' in request body\.$/],
      [
        71,
        { 'os-reset_status': { attach_status: 'x' } },
        /valid statuses are: \['attached', 'detached'\]\.$/,
      ],
    ] as const) {
      const answer = await api.call('POST', `${path}/action`, { as: 'admin', version, body: asked });
      assert.match(answer.body.badRequest.message, message);
    }
  });

  it('checks a request in the words of Cinder', async () => {
    for (const [volume, message] of [
      [{}, /^The server could not comply with the request since it is either malformed/],
      [{ size: 0 }, /^Invalid input for field\/attribute size\. Value: 0\./],
      [{ size: 'x' }, /^Invalid input for field\/attribute size\. Value: x\./],
      [{ size: 2 ** 31 }, /attribute size/],
      [{ size: '2147483648' }, /Value: 2147483648\. 2147483648 is greater than the maximum of 2147483647$/],
      [{ size: '00' }, /Value: 00\. 0 is less than the minimum of 1$/],
      [{ size: '+1' }, /'\+1' does not match '\^\[0-9\]\+\$'$/],
      [
        { size: '01' },
        /^Invalid input received: Invalid volume size provided for create request: 01 \(size arg/,
      ],
      [{ size: 1, name: 'x'.repeat(256) }, /name has 256 characters, more than 255/],
      [{ size: 1, metadata: { k: 5 } }, /attribute k\./],
      [{ size: 1, availability_zone: 'mars' }, /^Availability zone 'mars' is invalid\.$/],
      [{ size: 1, colour: 'blue' }, /Additional properties are not allowed \('colour' was unexpected\)/],
      [{ size: 1, imageRef: 'nothing' }, /Invalid image identifier/],
      [{ size: 1, multiattach: true }, /multiattach parameter has been removed/],
      [{ size: 1, multiattach: null }, /^Value 'None' for 'multiattach' is not a boolean\.$/],
      [{ size: 1, imageRef: '' }, /Invalid image identifier/],
    ] as const) {
      const { status, body } = await create(volume);
      assert.equal(status, 400, JSON.stringify(volume));
      assert.match(body.badRequest.message, message);
    }
    const { body } = await create({ size: 1, volume_type: 'none' });
    assert.equal(body.itemNotFound.message, 'Volume type with name none could not be found.');
    const nobody = await create({ size: 1, group_id: '' });
    assert.equal(nobody.body.itemNotFound.message, 'Group  could not be found.');
    const nameless = await create({ size: 1, name: null, display_name: 'older' });
    assert.equal(nameless.body.volume.name, null);
    const old = await api.call('POST', '/volumes', {
      version: 52,
      body: { volume: { size: '1', colour: 'blue' } },
    });
    assert.equal(old.status, 202);
  });

  it('changes its name, and refuses an empty change from 3.53', async () => {
    const { body } = await create({ size: 1, name: 'old', description: 'kept' });
    const path = `/volumes/${body.volume.id}`;
    const put = (volume: object, version = 71) => api.call('PUT', path, { body: { volume }, version });
    const { volume } = (await put({ name: 'new', metadata: { a: 'b' } })).body;
    assert.deepEqual([volume.name, volume.description, volume.metadata], ['new', 'kept', { a: 'b' }]);
    assert.equal((await put({ name: null })).body.volume.name, null);
    assert.equal((await put({})).status, 400);
    assert.equal((await put({}, 52)).status, 200);
    assert.equal((await put({ size: 5 })).status, 400);
  });

  async function volumeIn(status: VolumeStatus): Promise<{ id: VolumeId; path: string }> {
    const { body } = await create({ size: 1 });
    const id: VolumeId = body.volume.id;
    await api.db.updateTable('volumes').set({ status }).where('id', '=', id).execute();
    await api.db.updateTable('operations').set({ state: 'done' }).where('volume_id', '=', id).execute();
    return { id, path: `/volumes/${id}` };
  }

  it('extends what is available; what is in use from 3.42', async () => {
    const extend = (path: string, size: number, version = 71) =>
      api.call('POST', `${path}/action`, { version, body: { 'os-extend': { new_size: size } } });
    const { id, path } = await volumeIn('available');
    assert.match((await extend(path, 1)).body.badRequest.message, /current: 1, extended: 1/);
    assert.equal((await extend(path, 2)).status, 202);
    assert.equal((await extend(path, 3)).status, 400);
    const operation = await api.db
      .selectFrom('operations')
      .select('input')
      .where('volume_id', '=', id)
      .where('kind', '=', 'volume.extend')
      .executeTakeFirstOrThrow();
    assert.deepEqual(JSON.parse(operation.input), { fromGib: 1, toGib: 2 });
    const used = await volumeIn('in-use');
    assert.equal((await extend(used.path, 2, 41)).status, 400);
    assert.equal((await extend(used.path, 2, 42)).status, 202);
  });

  it('a status is reset by administrators, and never against what is known', async () => {
    const reset = (path: string, status: string, as: 'admin' | 'member' = 'admin') =>
      api.call('POST', `${path}/action`, { as, body: { 'os-reset_status': { status } } });
    const { id, path } = await volumeIn('error');
    assert.equal((await reset(path, 'available', 'member')).status, 403);
    assert.equal((await reset(path, 'available')).status, 202);
    assert.equal((await reset(path, 'nonsense')).status, 400);
    assert.equal((await reset(path, 'deleting')).status, 400);
    assert.match((await reset(path, 'in-use')).body.badRequest.message, /does not have any attachments/);
    await api.call('POST', '/attachments', { body: { attachment: { volume_uuid: id } } });
    assert.match((await reset(path, 'available')).body.badRequest.message, /while attachment .* exists/);
    const busy = await create({ size: 1 });
    const refused = await reset(`/volumes/${busy.body.volume.id}`, 'available');
    assert.match(refused.body.badRequest.message, /while operation .* is at work/);
  });

  describe('while a retype is stuck between two encryptions', () => {
    const reset = (path: string, body: object) =>
      api.call('POST', `${path}/action`, { as: 'admin', body: { 'os-reset_status': body } });
    const addKey = async (): Promise<EncryptionKeyId> => {
      const id = asId<EncryptionKeyId>(randomUUID());
      const how = { cipher: 'aes-xts-plain64', key_bits: 256, created_at: '2026-01-01 00:00:00' } as const;
      await api.db
        .insertInto('encryption_keys')
        .values({ id, project_id: asId(PROJECT), secret: 'sealed', ...how })
        .execute();
      return id;
    };
    /** The newest step that it has a record of; none: it was stuck by `restored`. */
    async function stuckRetype(keys: object | undefined, step?: { name: string; state: 'failed' | 'done' }) {
      const { id, path } = await volumeIn('error');
      const last = await api.db
        .selectFrom('operations')
        .selectAll()
        .where('volume_id', '=', id)
        .executeTakeFirstOrThrow();
      const operation_id = asId<OperationId>(randomUUID());
      await api.db
        .insertInto('operations')
        .values({
          ...last,
          id: operation_id,
          kind: 'volume.retype',
          state: 'stuck',
          input: JSON.stringify({ policy: 'on-demand', keys }),
          seq_base: last.seq_base + 1_000,
        })
        .execute();
      const at = { started_at: last.created_at, ended_at: last.created_at };
      const none = { output: null, error: null, wait_ms: null, commands: null };
      if (step !== undefined)
        await api.db
          .insertInto('operation_steps')
          .values({
            operation_id,
            position: 1,
            direction: 'do',
            host: 'stor1',
            attempt: 1,
            ...step,
            ...at,
            ...none,
          })
          .execute();
      return path;
    }

    it('a status is not reset to one in use, whether the swap had begun or nobody knows', async () => {
      const keys = { from: await addKey(), to: await addKey() };
      for (const known of [keys, { from: keys.from, to: null }, { from: null, to: keys.to }])
        for (const step of [undefined, { name: 'replace', state: 'failed' }] as const) {
          const path = await stuckRetype(known, step);
          for (const body of [
            { status: 'available' },
            { status: 'maintenance' },
            { migration_status: 'none' },
          ])
            assert.match((await reset(path, body)).body.badRequest.message, /stuck between two encryptions/);
          assert.equal((await reset(path, { status: 'error_extending' })).status, 202);
          assert.equal((await reset(path, { status: 'available' })).status, 400);
        }
    });

    it('it is where the data have one key for certain', async () => {
      const keys = { from: await addKey(), to: await addKey() };
      for (const [known, step] of [
        // Turned back, as far as it went, which keeps none.
        [undefined, undefined],
        // The same before it was written down: the new key is dropped.
        [{ ...keys, to: randomUUID() }, undefined],
        [keys, { name: 'replace', state: 'done' }],
        [keys, { name: 'remove', state: 'failed' }],
      ] as const)
        assert.equal((await reset(await stuckRetype(known, step), { status: 'available' })).status, 202);
    });
  });

  it('is uploaded and re-imaged from the statuses, and with the fields, that Cinder takes', async () => {
    const { path } = await volumeIn('creating');
    const act = async (action: string, body: Record<string, unknown>): Promise<string> => {
      const answer = await api.call('POST', `${path}/action`, { body: { [action]: body } });
      assert.equal(answer.status, 400);
      return answer.body.badRequest.message;
    };
    for (const [field, message] of [
      [{ force: null }, "None is not of type 'boolean', 'string'"],
      [{ disk_format: 'iso' }, "'iso' is not one of ['raw', 'qcow2', 'vmdk', 'vhdx']"],
      [{ disk_format: null }, "None is not of type 'string'"],
      [{ visibility: 'x' }, "'x' is not one of ['community', 'public', 'private', 'shared']"],
    ] as const) {
      const said = await act('os-volume_upload_image', { image_name: 'x', ...field });
      assert.ok(said.endsWith(` ${message}`), said);
    }
    const reimage = { image_id: '77777777-7777-4777-8777-777777777777', reimage_reserved: true };
    assert.match(
      await act('os-reimage', reimage),
      /status must be available or error or reserved, but current status is creating\.$/,
    );
  });

  it('is unmanaged in the words and from the statuses of Cinder', async () => {
    const unmanage = (path: string, as: 'admin' | 'member' = 'admin') =>
      api.call('POST', `${path}/action`, { as, body: { 'os-unmanage': 'anything' } });
    async function placed(status: VolumeStatus): Promise<string> {
      const { id, path } = await volumeIn(status);
      const pool = asId<PoolName>('stor1@lvm#lvm');
      await api.db.updateTable('volumes').set({ pool }).where('id', '=', id).execute();
      return path;
    }
    for (const status of ['available', 'error', 'error_restoring', 'error_extending'] as const) {
      const path = await placed(status);
      assert.equal((await unmanage(path, 'member')).status, 403);
      assert.equal((await unmanage(path)).status, 202, status);
    }
    for (const status of ['extending', 'in-use', 'error_deleting', 'awaiting-transfer'] as const) {
      const { status: code, body } = await unmanage(await placed(status));
      assert.equal(code, 400, status);
      assert.equal(
        body.badRequest.message,
        'Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.',
      );
    }
    // It lies nowhere: its row goes.
    const nowhere = await volumeIn('error_managing');
    assert.equal((await unmanage(nowhere.path)).status, 202);
    assert.equal((await api.call('GET', nowhere.path)).body.volume.status, 'deleting');
  });

  it('force deletes what was abandoned, and not what is worked on or attached', async () => {
    const force = (path: string) =>
      api.call('POST', `${path}/action`, { as: 'admin', body: { 'os-force_delete': {} } });
    const { path } = await volumeIn('extending');
    assert.equal((await api.call('DELETE', path)).status, 400);
    assert.equal((await api.call('DELETE', `${path}?force=true`)).status, 403);
    assert.equal((await force(path)).status, 202);
    const busy = await create({ size: 1 });
    assert.equal((await force(`/volumes/${busy.body.volume.id}`)).status, 400);
    const reserved = await volumeIn('available');
    await api.call('POST', '/attachments', { body: { attachment: { volume_uuid: reserved.id } } });
    assert.equal((await force(reserved.path)).status, 400);
  });

  it('of many requests at once to change a status exactly one wins', async () => {
    const { path } = await volumeIn('available');
    const answers = await Promise.all(Array.from({ length: 12 }, () => api.call('DELETE', path)));
    assert.equal(answers.filter(({ status }) => status === 202).length, 1);
    assert.equal(answers.filter(({ status }) => status === 400).length, 11);
  });
});
