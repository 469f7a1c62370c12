import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startApi, type TestApi, TOKENS, type Who } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { availableVolume, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

const CONNECTOR = { initiator: 'iqn.1993-08.org.debian:01:abc', host: 'client1', ip: '192.0.2.1' };

describe('the older actions on volumes', () => {
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

  const act = (volume: string, action: string, body: unknown = null, as: Who = 'member') =>
    api.call('POST', `/volumes/${volume}/action`, { as, version: 0, body: { [action]: body } });
  const show = async (volume: string, as: Who = 'member') =>
    (await api.call('GET', `/volumes/${volume}`, { as })).body.volume;
  const accepted = async (volume: string, action: string, body: unknown = null, as: Who = 'member') => {
    const answer = await act(volume, action, body, as);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    assert.equal(answer.body, undefined);
  };
  const refused = async (volume: string, action: string, body: unknown, message: RegExp, as?: Who) => {
    const answer = await act(volume, action, body, as);
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    assert.match(answer.body.badRequest.message, message);
  };

  it('reserve, and take it back; once', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-unreserve');
    await accepted(volume, 'os-reserve');
    assert.equal((await show(volume)).status, 'attaching');
    await refused(
      volume,
      'os-reserve',
      null,
      /^Invalid volume: Volume status must be available to reserve, but the status is attaching\.$/,
    );
    await accepted(volume, 'os-unreserve');
    assert.equal((await show(volume)).status, 'available');
    assert.equal((await act(randomUUID(), 'os-reserve')).status, 404);
  });

  it('attach and detach by a note, for a server', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-attach', { instance_uuid: hosts.server, mountpoint: '/dev/vdc' });
    const shown = await show(volume, 'admin');
    assert.equal(shown.status, 'in-use');
    const [{ attached_at: at, attachment_id: id, ...attachment }, ...more] = shown.attachments;
    assert.deepEqual(more, []);
    assert.match(at, /^20/);
    assert.deepEqual(attachment, {
      id: volume,
      volume_id: volume,
      server_id: hosts.server,
      host_name: null,
      device: '/dev/vdc',
    });
    assert.deepEqual(shown.metadata, { readonly: 'False', attached_mode: 'rw' });
    assert.deepEqual((await api.call('GET', `/volumes/${volume}/metadata`)).body.metadata, {});
    assert.equal(hosts.model.exports.has(volume), false, 'nobody is let in by a note');
    // The same once more is the same.
    await accepted(volume, 'os-attach', { instance_uuid: hosts.server, mountpoint: '/dev/vdc' });
    await refused(
      volume,
      'os-attach',
      { host_name: 'another', mountpoint: '/dev/vdc' },
      /^Error attaching volume - InvalidVolume: Invalid volume: volume is already attached/,
    );
    assert.equal((await api.call('DELETE', `/volumes/${volume}`)).status, 400);

    await accepted(volume, 'os-begin_detaching');
    assert.equal((await show(volume)).status, 'detaching');
    await accepted(volume, 'os-roll_detaching');
    assert.equal((await show(volume)).status, 'in-use');
    await accepted(volume, 'os-begin_detaching');
    await accepted(volume, 'os-detach', { attachment_id: id });
    const freed = await show(volume);
    assert.deepEqual([freed.status, freed.attachments], ['available', []]);
    assert.deepEqual(freed.metadata, { readonly: 'False' });
    // As often as one likes.
    await accepted(volume, 'os-detach', {});
    await refused(volume, 'os-begin_detaching', null, /Volume status must be 'in-use' and attach_status/);
  });

  it('attach for a host, after a reservation; the body is checked', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-reserve');
    await accepted(volume, 'os-attach', { host_name: 'h1', mountpoint: '/mnt', mode: 'ro' });
    const { metadata, attachments } = await show(volume, 'admin');
    assert.equal(metadata.attached_mode, 'ro');
    assert.deepEqual([attachments[0].host_name, attachments[0].server_id], ['h1', null]);
    assert.equal((await show(volume)).attachments[0].host_name, null);
    await accepted(volume, 'os-detach', { attachment_id: null });
    for (const body of [{ mountpoint: '/mnt' }, { host_name: 'h', mountpoint: '' }, { host_name: 'h' }]) {
      assert.equal((await act(volume, 'os-attach', body)).status, 400);
    }
    assert.equal(
      (await act(volume, 'os-attach', { host_name: 'h', mountpoint: 'm', mode: 'x' })).status,
      400,
    );
    assert.equal((await act(volume, 'os-detach', { attachment_id: 'x' })).status, 400);
    assert.equal(
      (await act(volume, 'os-attach', { instance_uuid: hosts.orphan, mountpoint: '/dev/vdb' })).status,
      404,
      "a server that is not the project's",
    );
  });

  it('what is attached by a note alone is forced off whatever its status', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-attach', { instance_uuid: hosts.server, mountpoint: '/dev/vdc' });
    const [{ attachment_id }] = (await show(volume)).attachments;
    await accepted(volume, 'os-reset_status', { status: 'error' }, 'admin');
    await accepted(volume, 'os-force_detach', { connector: null, attachment_id }, 'admin');
    const { status, attachments } = await show(volume);
    assert.deepEqual([status, attachments], ['available', []]);
  });

  it('a volume that may only be read is attached so', async () => {
    const volume = await availableVolume(api);
    for (const [readonly, word] of [
      [true, 'True'],
      ['no', 'False'],
      [true, 'True'],
    ] as const) {
      await accepted(volume, 'os-update_readonly_flag', { readonly });
      assert.equal((await show(volume)).metadata.readonly, word);
    }
    const { body } = await api.call('GET', '/volumes/detail?name=none');
    assert.deepEqual(body.volumes, []);
    await refused(
      volume,
      'os-attach',
      { host_name: 'h1', mountpoint: '/mnt' },
      /^Invalid attaching mode 'rw' for volume /,
    );
    await accepted(volume, 'os-attach', { host_name: 'h1', mountpoint: '/mnt', mode: 'ro' });
    await refused(
      volume,
      'os-update_readonly_flag',
      { readonly: false },
      /status must be available to update readonly flag, but current status is: in-use\.$/,
    );
    await accepted(volume, 'os-detach', {});
    const reserved = await api.call('POST', '/attachments', {
      body: { attachment: { volume_uuid: volume, connector: CONNECTOR, mode: 'rw' } },
    });
    assert.equal(reserved.body.attachment.attach_mode, 'ro');
    assert.equal(reserved.body.attachment.connection_info.access_mode, 'ro');
    await api.call('DELETE', `/attachments/${reserved.body.attachment.id}`);
    await volumeBecomes(api, volume, 'available');
    const attached = await api.compute('POST', `/servers/${hosts.server}/os-volume_attachments`, {
      body: { volumeAttachment: { volumeId: volume } },
    });
    assert.equal(attached.status, 200);
    await volumeBecomes(api, volume, 'in-use');
    const row = await api.db
      .selectFrom('attachments')
      .select('mode')
      .where('volume_id', '=', volume as never)
      .executeTakeFirstOrThrow();
    assert.equal(row.mode, 'ro');
    assert.equal(
      (await act(volume, 'os-detach', {})).body.conflictingRequest.message,
      `Detach volume from instance ${hosts.server} using the Compute API`,
    );
    assert.equal((await act(volume, 'os-terminate_connection', { connector: null })).status, 409);
    await refused(
      volume,
      'os-initialize_connection',
      { connector: { initiator: 'iqn.2010-10.org.blockyard:host:comp1', host: 'comp1' } },
      /is attached to a server/,
    );
  });

  it('a connection: reserved, let in, noted, let go, shut out', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-reserve');
    const answer = await act(volume, 'os-initialize_connection', { connector: CONNECTOR });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { data, ...info } = answer.body.connection_info;
    assert.deepEqual(info, { driver_volume_type: 'iscsi', enforce_multipath: false });
    const { auth_username: username, auth_password: password, ...rest } = data;
    assert.match(password, /^[\w-]{16}$/);
    assert.deepEqual(rest, {
      target_discovered: false,
      target_portal: '127.0.0.1:3260',
      target_iqn: `iqn.2010-10.org.blockyard:volume-${volume}`,
      target_lun: 1,
      volume_id: volume,
      auth_method: 'CHAP',
      encrypted: false,
      qos_specs: null,
      access_mode: 'rw',
      cacheable: false,
      enforce_multipath: false,
    });
    assert.deepEqual(hosts.model.exports.get(volume), [`${CONNECTOR.initiator} ${username}`]);
    const again = await act(volume, 'os-initialize_connection', { connector: CONNECTOR });
    assert.deepEqual(again.body, answer.body);
    assert.equal((await show(volume)).status, 'attaching');

    await accepted(volume, 'os-attach', { instance_uuid: hosts.server, mountpoint: '/dev/vdd' });
    const shown = await show(volume);
    assert.deepEqual([shown.status, shown.attachments.length], ['in-use', 1]);
    assert.equal((await api.call('GET', `/attachments?volume_id=${volume}`)).body.attachments.length, 1);

    await accepted(volume, 'os-begin_detaching');
    await accepted(volume, 'os-terminate_connection', { connector: CONNECTOR });
    assert.equal(hosts.model.exports.has(volume), false);
    assert.equal((await show(volume)).status, 'detaching');
    await accepted(volume, 'os-detach', {});
    await volumeBecomes(api, volume, 'available');
  });

  it('a connection by several paths names them, and what its volume is limited to', async () => {
    const specs = {
      read_iops_sec_per_gb: '10',
      read_iops_sec_per_gb_min: '30',
      read_iops_sec_max: '25',
      write_iops_sec: '7',
      colour: 'red',
    };
    const qos = await api.call('POST', '/qos-specs', {
      as: 'admin',
      body: { qos_specs: { name: 'by size', consumer: 'both', ...specs } },
    });
    const { id: type } = (
      await api.call('POST', '/types', { as: 'admin', body: { volume_type: { name: 'by size' } } })
    ).body.volume_type;
    await api.call('GET', `/qos-specs/${qos.body.qos_specs.id}/associate?vol_type_id=${type}`, {
      as: 'admin',
    });
    const volume = await availableVolume(api, { size: 2, volume_type: 'by size' });
    const connector = { ...CONNECTOR, multipath: true };
    const { data } = (await act(volume, 'os-initialize_connection', { connector })).body.connection_info;
    assert.deepEqual(
      [data.target_portals, data.target_iqns, data.target_luns],
      [[data.target_portal], [data.target_iqn], [data.target_lun]],
    );
    assert.deepEqual(data.qos_specs, { read_iops_sec: 25, write_iops_sec: '7', colour: 'red' });
    await accepted(volume, 'os-terminate_connection', { connector });
  });

  it('a note first, a connection after it; detaching shuts the host out as well', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-attach', { host_name: 'client1', mountpoint: '/mnt' });
    const { status } = await act(volume, 'os-initialize_connection', { connector: CONNECTOR });
    assert.equal(status, 200);
    const shown = await show(volume);
    assert.deepEqual([shown.status, shown.attachments.length], ['in-use', 1]);
    assert.equal(hosts.model.exports.get(volume)?.length, 1);
    await accepted(volume, 'os-detach', {});
    assert.equal(hosts.model.exports.has(volume), false);
    await volumeBecomes(api, volume, 'available');
  });

  it('a connection that is given up frees the volume; one without an initiator is none', async () => {
    const volume = await availableVolume(api);
    for (const connector of ['x', {}, { initiator: null }]) {
      await refused(
        volume,
        'os-initialize_connection',
        { connector },
        /^Invalid input received: Connector doesn't have required information: initiator$/,
      );
    }
    const nothing = { connector: null };
    await refused(volume, 'os-initialize_connection', nothing, /None is not of type 'object', 'string'$/);
    assert.equal((await act(volume, 'os-initialize_connection', { connector: CONNECTOR })).status, 200);
    assert.equal((await api.call('DELETE', `/volumes/${volume}`)).status, 400);
    await accepted(volume, 'os-terminate_connection', { connector: null });
    assert.equal((await show(volume)).status, 'available');
    assert.equal(hosts.model.exports.has(volume), false);
    await accepted(volume, 'os-terminate_connection', { connector: CONNECTOR });
  });

  it('a failed export leaves nothing behind', async () => {
    const volume = await availableVolume(api);
    hosts.model.volumes.delete(volume);
    const response = await heldFetch(`${api.url}/v3/volumes/${volume}/action`, {
      method: 'POST',
      headers: {
        'X-Auth-Token': TOKENS.member,
        'Content-Type': 'application/json',
        'OpenStack-API-Version': 'volume 3.67',
      },
      body: JSON.stringify({ 'os-initialize_connection': { connector: CONNECTOR } }),
    });
    assert.equal(response.status, 500);
    await volumeBecomes(api, volume, 'available');
    assert.deepEqual(
      await api.db
        .selectFrom('attachments')
        .select('id')
        .where('volume_id', '=', volume as never)
        .execute(),
      [],
    );
  });

  it('one that fails after a note leaves the note', async () => {
    const volume = await availableVolume(api);
    await accepted(volume, 'os-attach', { host_name: 'client1', mountpoint: '/mnt' });
    hosts.model.volumes.delete(volume);
    const { status } = await heldFetch(`${api.url}/v3/volumes/${volume}/action`, {
      method: 'POST',
      headers: {
        'X-Auth-Token': TOKENS.member,
        'Content-Type': 'application/json',
        'OpenStack-API-Version': 'volume 3.67',
      },
      body: JSON.stringify({ 'os-initialize_connection': { connector: CONNECTOR } }),
    });
    assert.equal(status, 500);
    const shown = await show(volume);
    assert.deepEqual([shown.status, shown.attachments.length], ['in-use', 1]);
    const row = await api.db
      .selectFrom('attachments')
      .select(['initiator', 'chap_secret', 'status'])
      .where('volume_id', '=', volume as never)
      .executeTakeFirstOrThrow();
    assert.deepEqual(row, { initiator: null, chap_secret: null, status: 'attached' });
    await accepted(volume, 'os-detach', {});
    assert.equal((await show(volume)).status, 'available');
  });

  it('statuses are reset to any of Cinder’s, and deleted by force from each', async () => {
    for (const status of ['creating', 'attaching', 'error', 'maintenance', 'available']) {
      const volume = await availableVolume(api);
      await accepted(volume, 'os-reset_status', { status: status.toUpperCase() }, 'admin');
      assert.equal((await show(volume)).status, status);
      if (status === 'maintenance') {
        await refused(volume, 'os-attach', { host_name: 'h', mountpoint: '/m' }, /in maintenance mode/);
        const renamed = await api.call('PUT', `/volumes/${volume}`, { body: { volume: { name: 'x' } } });
        assert.match(renamed.body.badRequest.message, /cannot be updated during maintenance/);
        const metadata = await api.call('POST', `/volumes/${volume}/metadata`, {
          body: { metadata: { a: 'b' } },
        });
        assert.equal(
          metadata.body.badRequest.message,
          'Invalid volume: Updating volume metadata is not allowed for volumes in maintenance status.',
        );
        // What is not there is told before the status.
        const none = await api.call('DELETE', `/volumes/${volume}/metadata/none`);
        assert.equal(none.body.itemNotFound.message, `Volume ${volume} has no metadata with key none.`);
        await api.db
          .updateTable('volumes')
          .set({ metadata: '{"a":"b"}', image_metadata: '{"a":"b"}' })
          .where('id', '=', volume as never)
          .execute();
        const refusal =
          'Invalid volume: Deleting volume metadata is not allowed for volumes in maintenance status.';
        const fixed = await api.call('DELETE', `/volumes/${volume}/metadata/a`);
        assert.equal(fixed.body.badRequest.message, refusal);
        const unset = (key: string) =>
          api.call('POST', `/volumes/${volume}/action`, { body: { 'os-unset_image_metadata': { key } } });
        assert.equal((await unset('none')).status, 404);
        assert.equal((await unset('a')).body.badRequest.message, refusal);
        assert.deepEqual((await show(volume)).metadata, { a: 'b' });
      }
      await accepted(volume, 'os-force_delete', null, 'admin');
    }
    const volume = await availableVolume(api);
    await refused(
      volume,
      'os-reset_status',
      { status: 'new' },
      /^Volume status: new is invalid, valid/,
      'admin',
    );
    await refused(volume, 'os-reset_status', { attach_status: 'x' }, /^Volume attach status: x is/, 'admin');
    await refused(volume, 'os-reset_status', { migration_status: 'x' }, /^Volume migration status/, 'admin');
    await refused(volume, 'os-reset_status', {}, /^Must specify 'status'/, 'admin');
    await refused(volume, 'os-reset_status', { attach_status: 'attached' }, /not have any/, 'admin');
    await accepted(volume, 'os-reset_status', { attach_status: 'detached' }, 'admin');
    await accepted(volume, 'os-reset_status', { migration_status: 'error' }, 'admin');
    assert.equal((await show(volume, 'admin')).migration_status, 'error');
    assert.equal((await show(volume)).migration_status, undefined);
    await accepted(volume, 'os-reset_status', { migration_status: 'none' }, 'admin');
    assert.equal((await show(volume, 'admin'))['os-vol-mig-status-attr:migstat'], null);

    await accepted(volume, 'os-attach', { host_name: 'h', mountpoint: '/m' });
    await accepted(volume, 'os-reset_status', { status: 'available', attach_status: 'detached' }, 'admin');
    assert.deepEqual((await show(volume)).attachments, []);
    await act(volume, 'os-initialize_connection', { connector: CONNECTOR });
    await refused(volume, 'os-reset_status', { attach_status: 'detached' }, /lets a host in/, 'admin');
    await accepted(volume, 'os-terminate_connection', { connector: null });
    await refused(
      volume,
      'os-extend_volume_completion',
      { error: false },
      /^Invalid volume: Volume is not being extended\.$/,
      'admin',
    );
  });
});
