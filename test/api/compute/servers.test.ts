import assert from 'node:assert/strict';
import { asId, type ServerId, type VolumeId } from '#schema/ids.ts';
import { type Answer, startApi, type TestApi, TOKENS } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('servers that boot from volumes', () => {
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
      const left = await api.db
        .selectFrom('volumes')
        .select('id')
        .where('operation_id', 'is not', null)
        .execute();
      assert.deepEqual(left, []);
    });
    assert.deepEqual([...hosts.model.servers], []);
    assert.deepEqual([...hosts.model.disks], []);
    assert.deepEqual([...hosts.model.exports], []);
  });

  async function bootable(): Promise<string> {
    const id = await availableVolume(api);
    await api.db.updateTable('volumes').set({ bootable: 1 }).where('id', '=', asId<VolumeId>(id)).execute();
    return id;
  }

  const create = (
    volume: string,
    more: Record<string, unknown> = {},
    mapping: Record<string, unknown> = {},
    as: 'admin' | 'member' = 'member',
  ): Promise<Answer> =>
    api.compute('POST', '/servers', {
      as,
      body: {
        server: {
          name: 'web server',
          flavorRef: '1',
          networks: 'none',
          block_device_mapping_v2: [
            { boot_index: 0, source_type: 'volume', destination_type: 'volume', uuid: volume, ...mapping },
          ],
          ...more,
        },
      },
    });

  async function is(id: string, status: string): Promise<Answer['body']> {
    return eventually(async () => {
      const { body } = await api.compute('GET', `/servers/${id}`);
      assert.deepEqual([body.server?.status, body.server?.['OS-EXT-STS:task_state']], [status, null]);
      return body.server;
    });
  }

  async function running(mapping: Record<string, unknown> = {}): Promise<{ volume: string; server: string }> {
    const volume = await bootable();
    const { body } = await create(volume, {}, mapping);
    await is(body.server.id, 'ACTIVE');
    return { volume, server: body.server.id };
  }

  const remove = async (id: string): Promise<void> => {
    assert.equal((await api.compute('DELETE', `/servers/${id}`)).status, 204);
    await eventually(async () => assert.equal((await api.compute('GET', `/servers/${id}`)).status, 404));
  };

  const act = (id: string, action: Record<string, unknown>): Promise<Answer> =>
    api.compute('POST', `/servers/${id}/action`, { body: action });

  it('boots, is shown, and leaves its volume when it is deleted', async () => {
    const volume = await bootable();
    const made = await create(volume, { metadata: { tier: 'gold' } });
    assert.equal(made.status, 202);
    const { id } = made.body.server;
    const server = await is(id, 'ACTIVE');
    assert.deepEqual(
      [server.name, server.image, server.metadata, server.flavor.original_name, server.flavor.ram],
      ['web server', '', { tier: 'gold' }, 'm1.tiny', 512],
    );
    assert.deepEqual(server['os-extended-volumes:volumes_attached'], [
      { id: volume, delete_on_termination: false },
    ]);
    const old = await api.compute('GET', `/servers/${id}`, { version: 1 });
    assert.equal(old.body.server.flavor.id, '1');
    const { body } = await api.call('GET', `/volumes/${volume}`);
    assert.deepEqual([body.volume.status, body.volume.attachments[0].device], ['in-use', '/dev/vda']);
    assert.deepEqual([...hosts.model.servers], [[id, 'on']]);

    const root = await api.compute('DELETE', `/servers/${id}/os-volume_attachments/${volume}`);
    assert.deepEqual(
      [root.status, root.body.badRequest.message],
      [400, 'Cannot detach a root device volume'],
    );
    await remove(id);
    await volumeBecomes(api, volume, 'available');
  });

  it('stops, starts and reboots', async () => {
    const { server } = await running();
    assert.equal((await act(server, { 'os-start': null })).status, 409);
    assert.equal((await act(server, { 'os-stop': null })).status, 202);
    await is(server, 'SHUTOFF');
    assert.deepEqual([...hosts.model.servers], [[server, 'off']]);
    const soft = await act(server, { reboot: { type: 'SOFT' } });
    assert.equal(
      soft.body.conflictingRequest.message,
      `Cannot 'reboot' instance ${server} while it is in vm_state stopped`,
    );
    await act(server, { 'os-start': null });
    await is(server, 'ACTIVE');
    await act(server, { reboot: { type: 'hard' } });
    await is(server, 'ACTIVE');
    assert.equal((await act(server, { reboot: { type: 'medium' } })).status, 400);
    await remove(server);
  });

  it('takes volumes that were marked with it, and lets the others go', async () => {
    const { server, volume } = await running({ delete_on_termination: true });
    const [kept, marked] = [await availableVolume(api), await availableVolume(api)];
    for (const [volumeId, flag] of [
      [kept, false],
      [marked, true],
    ] as const) {
      const { status } = await api.compute('POST', `/servers/${server}/os-volume_attachments`, {
        body: { volumeAttachment: { volumeId, delete_on_termination: flag } },
      });
      assert.equal(status, 200);
      await volumeBecomes(api, volumeId, 'in-use');
    }
    const shown = await api.compute('GET', `/servers/${server}/os-volume_attachments/${marked}`);
    assert.equal(shown.body.volumeAttachment.delete_on_termination, true);
    await remove(server);
    await volumeBecomes(api, kept, 'available');
    for (const gone of [volume, marked]) {
      await eventually(async () => assert.equal((await api.call('GET', `/volumes/${gone}`)).status, 404));
    }
    assert.deepEqual([...hosts.model.volumes.keys()].includes(kept), true);
    assert.deepEqual([...hosts.model.volumes.keys()].includes(marked), false);
  });

  it('goes by what was said last of which volumes go with it', async () => {
    const { server, volume: root } = await running({ delete_on_termination: true });
    const [kept, marked] = [await availableVolume(api), await availableVolume(api)];
    const path = (volume: string) => `/servers/${server}/os-volume_attachments/${volume}`;
    const put = (volume: string, fields: object, options: { as?: 'stranger'; version?: number } = {}) =>
      api.compute('PUT', path(volume), {
        body: { volumeAttachment: { volumeId: volume, ...fields } },
        ...options,
      });
    for (const [volumeId, before] of [
      [kept, true],
      [marked, false],
    ] as const) {
      const body = { volumeAttachment: { volumeId, delete_on_termination: before } };
      await api.compute('POST', `/servers/${server}/os-volume_attachments`, { body });
      await volumeBecomes(api, volumeId, 'in-use');
      const same = { serverId: server, id: volumeId, device: undefined, delete_on_termination: !before };
      assert.equal((await put(volumeId, same)).status, 202);
      const shown = (await api.compute('GET', path(volumeId))).body.volumeAttachment;
      assert.equal(shown.delete_on_termination, !before);
      assert.equal((await put(volumeId, { device: shown.device })).status, 202);
    }
    assert.equal((await put(root, { delete_on_termination: false })).status, 202);

    const flip = { delete_on_termination: true };
    for (const [field, value] of [
      ['id', marked],
      ['serverId', marked],
      ['device', '/dev/vdz'],
      ['tag', 'x'],
    ] as const) {
      const { status, body } = await put(kept, { ...flip, [field]: value });
      assert.deepEqual([status, body.badRequest?.message], [400, `The ${field} property is not mutable`]);
    }
    const exchanged = await put(kept, { ...flip, volumeId: marked });
    assert.match(exchanged.body.badRequest.message, /^A volume is not exchanged for another one/);
    assert.equal((await put(kept, flip, { version: 84 })).status, 404);
    assert.equal((await put(kept, flip, { as: 'stranger' })).status, 404);
    assert.equal((await put(await availableVolume(api), flip)).status, 404);
    // Who deletes has read by then what goes: as it is for a moment only, written by hand.
    const at = (task_state: 'deleting' | null) =>
      api.db.updateTable('servers').set({ task_state }).where('id', '=', asId<ServerId>(server)).execute();
    await at('deleting');
    assert.equal((await put(kept, flip)).status, 409);
    await at(null);
    const is = (status: 'detaching' | 'attached') =>
      api.db
        .updateTable('attachments')
        .set({ status })
        .where('volume_id', '=', asId<VolumeId>(kept))
        .execute();
    await is('detaching');
    assert.equal((await put(kept, flip)).status, 409);
    await is('attached');

    await remove(server);
    for (const volume of [kept, root]) await volumeBecomes(api, volume, 'available');
    await eventually(async () => assert.equal((await api.call('GET', `/volumes/${marked}`)).status, 404));
  });

  it('keeps a marked volume that has a snapshot', async () => {
    const { server, volume } = await running({ delete_on_termination: true });
    await api.db
      .insertInto('snapshots')
      .values({
        id: asId(crypto.randomUUID()),
        project_id: asId('p'),
        user_id: asId('u'),
        volume_id: asId<VolumeId>(volume),
        name: null,
        description: null,
        size_gib: 1,
        status: 'available',
        metadata: '{}',
        created_at: '2026-01-01 00:00:00',
        updated_at: null,
      })
      .execute();
    await remove(server);
    await volumeBecomes(api, volume, 'available');
    await api.db.deleteFrom('snapshots').execute();
  });

  async function image(): Promise<string> {
    const { body } = await api.image('POST', '/images', {
      body: { name: 'tiny', disk_format: 'raw', container_format: 'bare' },
    });
    const stored = await heldFetch(`${api.url}/image/v2/images/${body.id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': 'application/octet-stream' },
      body: 'not much of a system',
    });
    assert.equal(stored.status, 204);
    return body.id;
  }
  const ofImage = { source_type: 'image', volume_size: 1, delete_on_termination: true };

  it('has its volume made of an image first', async () => {
    const { body } = await create(await image(), {}, { ...ofImage, delete_on_termination: false });
    const server = await is(body.server.id, 'ACTIVE');
    const [{ id }] = server['os-extended-volumes:volumes_attached'];
    const shown = await api.call('GET', `/volumes/${id}`);
    assert.deepEqual(
      [shown.body.volume.status, shown.body.volume.bootable, shown.body.volume.size],
      ['in-use', 'true', 1],
    );
    const { operations } = (await api.call('GET', `/operations?volume_id=${id}`)).body;
    assert.deepEqual(
      operations.map((operation: { kind: string; state: string }) => [operation.kind, operation.state]),
      [
        ['server.create', 'done'],
        ['volume.create', 'done'],
      ],
    );
    await remove(body.server.id);
    await volumeBecomes(api, id, 'available');
  });

  it('of an image alone boots from a volume that goes with it', async () => {
    const imageRef = await image();
    const local = { boot_index: 0, source_type: 'image', destination_type: 'local', uuid: imageRef };
    for (const mappings of [undefined, [], [local]]) {
      const { body } = await create('', { imageRef, block_device_mapping_v2: mappings });
      const server = await is(body.server.id, 'ACTIVE');
      const [volume, ...others] = server['os-extended-volumes:volumes_attached'];
      assert.deepEqual([volume.delete_on_termination, others], [true, []]);
      await remove(body.server.id);
      await eventually(async () =>
        assert.equal((await api.call('GET', `/volumes/${volume.id}`)).status, 404),
      );
    }
  });

  it('tells what was done to it and to its volumes', async () => {
    const { server } = await running();
    const data = await availableVolume(api);
    const attach = { volumeAttachment: { volumeId: data } };
    await api.compute('POST', `/servers/${server}/os-volume_attachments`, { body: attach });
    await volumeBecomes(api, data, 'in-use');
    await api.call('POST', `/volumes/${data}/action`, {
      body: { 'os-extend': { new_size: 2 } },
      version: 42,
    });
    await volumeBecomes(api, data, 'in-use');
    const { instanceActions } = (await api.compute('GET', `/servers/${server}/os-instance-actions`)).body;
    assert.deepEqual(
      instanceActions.map((each: { action: string }) => each.action),
      ['extend_volume', 'attach_volume', 'create'],
    );
    const path = `/servers/${server}/os-instance-actions/${instanceActions[0].request_id}`;
    const [told] = (await api.compute('GET', path, { as: 'admin' })).body.instanceAction.events;
    assert.deepEqual([told.event, told.result, told.traceback], ['compute_extend_volume', 'Success', null]);
    assert.ok(told.finish_time !== null);
    assert.equal((await api.compute('GET', path, { version: 1 })).body.instanceAction.events, undefined);
    assert.equal((await api.compute('GET', path, { as: 'stranger' })).status, 404);
    assert.equal((await api.compute('GET', `/servers/${server}/os-instance-actions/req-none`)).status, 404);
    await remove(server);
    await volumeBecomes(api, data, 'available');
    await api.call('DELETE', `/volumes/${data}`);
  });

  it('says why its volume could not be made, and leaves nothing of it', async () => {
    const id = await image();
    const { body } = await create(id, {}, { ...ofImage, volume_size: 1_000 });
    const { fault, ...server } = await is(body.server.id, 'ERROR');
    assert.match(fault.message, /^Volume \S+ could not be made: No storage backend can take the volume\./);
    assert.deepEqual(server['os-extended-volumes:volumes_attached'], []);
    await eventually(async () => {
      const left = await api.db.selectFrom('volumes').select('id').where('size_gib', '=', 1_000).execute();
      assert.deepEqual(left, []);
    });
    await remove(body.server.id);
    const unknown = await create(crypto.randomUUID(), {}, ofImage);
    assert.equal(unknown.status, 400);
  });

  it('takes the volume that was made for it with it when there is no room for it', async () => {
    const filled = async (): Promise<object[]> =>
      api.db.selectFrom('volumes').select('id').where('image_metadata', 'is not', null).execute();
    const before = await filled();
    const { body } = await create(await image(), { flavorRef: '4' }, ofImage);
    const { fault } = await is(body.server.id, 'ERROR');
    assert.match(fault.message, /not for 8192 MiB/);
    await eventually(async () => assert.deepEqual(await filled(), before));
    await remove(body.server.id);
  });

  it('says why no host will do, and lets the volume go', async () => {
    const volume = await bootable();
    const { body } = await create(volume, { flavorRef: '4' });
    const server = await is(body.server.id, 'ERROR');
    assert.match(
      server.fault.message,
      /^No valid host was found\. comp1: it has room for \d+ MiB of memory, not for 8192 MiB\.$/,
    );
    await volumeBecomes(api, volume, 'available');
    assert.equal((await act(body.server.id, { reboot: { type: 'HARD' } })).status, 409);
    await remove(body.server.id);
    await volumeBecomes(api, volume, 'available');
  });

  it('goes where an administrator says', async () => {
    const volume = await bootable();
    const on = (zone: string, as: 'admin' | 'member') => create(volume, { availability_zone: zone }, {}, as);
    assert.equal((await on('nova:comp1', 'member')).status, 403);
    assert.equal((await on('moon', 'member')).status, 400);
    assert.equal((await on('nova:comp2', 'admin')).status, 400);
    const { body } = await on('nova:comp1', 'admin');
    await is(body.server.id, 'ACTIVE');
    await remove(body.server.id);
  });

  it('refuses at once what cannot be', async () => {
    const plain = await availableVolume(api);
    const message = async (answer: Promise<Answer>): Promise<string> => {
      const { status, body } = await answer;
      assert.equal(status, 400);
      return body.badRequest.message;
    };
    assert.equal(await message(create(plain)), `Block Device ${plain} is not bootable.`);
    const good = await bootable();
    assert.match(await message(create(good, { block_device_mapping_v2: [] })), /^Nothing to boot from/);
    assert.match(await message(create(good, { imageRef: 'nonsense' })), /^Invalid imageRef/);
    assert.match(await message(create(good, { networks: [{ uuid: 'x' }] })), /servers have no network here/);
    assert.match(await message(create(good, { max_count: 2 })), /one server at a time/);
    assert.match(await message(create(good, { user_data: 'x' })), /user_data/);
    assert.match(await message(create(good, { flavorRef: 'nope' })), /^Flavor nope could not be found/);
    assert.match(await message(create(good, {}, { boot_index: -1 })), /boot_index must be 0/);
    assert.equal((await create(crypto.randomUUID())).status, 404);
    await volumeBecomes(api, good, 'available');
    const first = await create(good);
    assert.match(await message(create(good)), /must be 'available'/);
    await is(first.body.server.id, 'ACTIVE');
    await remove(first.body.server.id);
  });

  it('is deleted while it is being made', async () => {
    const volume = await bootable();
    const { body } = await create(volume);
    await remove(body.server.id);
    await volumeBecomes(api, volume, 'available');

    const filled = async (): Promise<object[]> =>
      api.db.selectFrom('volumes').select('id').where('image_metadata', 'is not', null).execute();
    const before = await filled();
    const both = await create(await image(), {}, ofImage);
    await remove(both.body.server.id);
    await eventually(async () => assert.deepEqual(await filled(), before));
  });

  it('says at once when its host is away', async () => {
    const { server } = await running();
    const seen = (last_seen_at: string) =>
      api.db.updateTable('services').set({ last_seen_at }).where('host', '=', 'comp1').execute();
    await seen('2026-01-01 00:00:00');
    const away = await act(server, { 'os-stop': null });
    assert.match(away.body.conflictingRequest.message, /is down: its agent last reported \d+ s ago\.$/);
    await hosts.report();
    await eventually(async () => assert.equal((await act(server, { 'os-stop': null })).status, 202));
    await is(server, 'SHUTOFF');
    await remove(server);
  });

  it('shows the end of the console, and says when nobody can tell', async () => {
    const { server } = await running();
    const ask = (length: number | null) => act(server, { 'os-getConsoleOutput': { length } });
    assert.deepEqual((await ask(2)).body, { output: 'two\nthree' });
    assert.deepEqual((await ask(null)).body, { output: 'one\ntwo\nthree' });
    assert.equal((await ask(-1)).body.output.length, 13);
    const foreign = await api.compute('POST', `/servers/${hosts.server}/action`, {
      body: { 'os-getConsoleOutput': {} },
    });
    assert.equal(foreign.status, 409);
    hosts.fallSilent();
    const silent = await ask(1);
    assert.equal(silent.body.conflictingRequest.message, 'The compute agent of host comp1 is away.');
    await remove(server);
  });

  it('leaves the domains of others alone', async () => {
    for (const answer of [
      await api.compute('DELETE', `/servers/${hosts.server}`),
      await act(hosts.server, { 'os-stop': null }),
    ]) {
      assert.equal(answer.status, 409);
      assert.match(
        answer.body.conflictingRequest.message,
        /was not made through this API; use virsh on host comp1/,
      );
    }
  });

  it('takes the host’s word for the status only while nothing is being done', async () => {
    const { server } = await running();
    const set = (changes: object) =>
      api.db
        .updateTable('servers')
        .set({ updated_at: '2026-01-01 00:00:00', ...changes })
        .where('id', '=', asId<ServerId>(server))
        .execute();
    const statusAfter = async (): Promise<string> => {
      await hosts.report();
      // The report behind it has been taken once this server's row is newer.
      await eventually(async () => {
        const [row] = await api.db
          .selectFrom('services')
          .select('last_seen_at')
          .where('host', '=', 'comp1')
          .execute();
        assert.ok((row?.last_seen_at ?? '') > before);
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      const row = await api.db
        .selectFrom('servers')
        .selectAll()
        .where('id', '=', asId<ServerId>(server))
        .executeTakeFirstOrThrow();
      assert.equal(row.name, 'web server');
      return row.status;
    };
    let before = '';
    const now = (): string => new Date().toISOString().slice(0, 23).replace('T', ' ');
    hosts.model.servers.set(server, 'off');
    await set({ task_state: 'powering-on' });
    before = now();
    assert.equal(await statusAfter(), 'ACTIVE');
    await set({ task_state: null });
    before = now();
    assert.equal(await statusAfter(), 'SHUTOFF');
    hosts.model.servers.delete(server);
    await set({ status: 'ACTIVE' });
    before = now();
    assert.equal(await statusAfter(), 'SHUTOFF');

    // Deleted, and then a report that was on its way.
    await remove(server);
    hosts.model.servers.set(server, 'on');
    await hosts.report();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await api.compute('GET', `/servers/${server}`)).status, 404);
    hosts.model.servers.delete(server);
  });
});
