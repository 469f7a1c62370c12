import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startApi, type TestApi } from '../support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { availableVolume, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

const CONNECTOR = { initiator: 'iqn.1993-08.org.debian:01:abc', host: 'client1', mountpoint: '/dev/vdc' };

describe('attachments of clients that connect by themselves', () => {
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

  const create = (attachment: Record<string, unknown>) =>
    api.call('POST', '/attachments', { body: { attachment } });

  it('reserve, connect, complete, delete', async () => {
    const volume = await availableVolume(api);
    const reserved = await create({ volume_uuid: volume });
    assert.equal(reserved.body.attachment.status, 'reserved');
    assert.deepEqual(reserved.body.attachment.connection_info, {});
    assert.equal((await create({ volume_uuid: volume, instance_uuid: null })).status, 400);
    await volumeBecomes(api, volume, 'reserved');
    const path = `/attachments/${reserved.body.attachment.id}`;

    const updated = await api.call('PUT', path, { body: { attachment: { connector: CONNECTOR } } });
    assert.equal(updated.status, 200, JSON.stringify(updated.body));
    const info = updated.body.attachment.connection_info;
    // As in Cinder the reply shows the rest as it was before.
    const { status, attach_mode, attached_at } = updated.body.attachment;
    assert.deepEqual([status, attach_mode, attached_at], ['reserved', 'null', '']);
    const shown = (await api.call('GET', path)).body.attachment;
    assert.deepEqual([shown.status, shown.attach_mode], ['attaching', 'rw']);
    assert.notEqual(shown.attached_at, '');
    assert.equal(info.driver_volume_type, 'iscsi');
    assert.equal(info.target_portal, '127.0.0.1:3260');
    assert.equal(info.auth_method, 'CHAP');
    assert.match(info.auth_password, /^[\w-]{16}$/);
    assert.deepEqual(hosts.model.exports.get(volume), [`${CONNECTOR.initiator} ${info.auth_username}`]);

    const seenByReader = await api.call('GET', path, { as: 'reader' });
    assert.equal(seenByReader.body.attachment.connection_info.auth_password, undefined);

    assert.equal((await api.call('POST', `${path}/action`, { body: { 'os-complete': null } })).status, 204);
    const { body } = await api.call('GET', `/volumes/${volume}`);
    assert.equal(body.volume.status, 'in-use');
    assert.equal(body.volume.attachments[0].device, '/dev/vdc');
    assert.equal((await api.call('DELETE', `/volumes/${volume}`)).status, 400);

    const deleted = await api.call('DELETE', path);
    assert.deepEqual(deleted.body, { attachments: [] });
    assert.equal(hosts.model.exports.has(volume), false);
    await volumeBecomes(api, volume, 'available');
  });

  it('with a connector at once', async () => {
    const volume = await availableVolume(api);
    // Written with spaces in the API reference.
    const connector = { ...CONNECTOR, initiator: 'iqn.1993-08.org.debian: 01: abc' };
    const { status, body } = await create({ volume_uuid: volume, connector, mode: 'ro' });
    assert.equal(status, 200);
    assert.equal(body.attachment.connection_info.access_mode, 'ro');
    assert.match(hosts.model.exports.get(volume)?.[0] ?? '', /^iqn\.1993-08\.org\.debian:01:abc /);
    await volumeBecomes(api, volume, 'attaching');
    assert.equal((await api.call('DELETE', `/attachments/${body.attachment.id}`)).status, 200);
    await volumeBecomes(api, volume, 'available');
  });

  it('a connector that is no good is told what is wrong with it; an empty one is none', async () => {
    const volume = await availableVolume(api);
    const refused = async (connector: object) => {
      const { status, body } = await create({ volume_uuid: volume, connector });
      assert.equal(status, 400);
      return body.badRequest.message;
    };
    assert.equal(
      await refused({ host: 'a' }),
      "Invalid input received: Connector doesn't have required information: initiator",
    );
    assert.match(await refused({ ...CONNECTOR, host: 5 }), /^Invalid input for field\/attribute host\. /);
    assert.match(await refused({ ...CONNECTOR, mode: 'x' }), /^Invalid input for field\/attribute mode\. /);
    assert.match(await refused({ initiator: 'x' }), /'x' is not an iSCSI name$/);
    const { body } = await create({ volume_uuid: volume, connector: {} });
    assert.equal(body.attachment.status, 'reserved');
    assert.equal((await api.call('DELETE', `/attachments/${body.attachment.id}`)).status, 200);
  });

  it('of a connector without a device has the device that Cinder calls `na`', async () => {
    const volume = await availableVolume(api);
    const { mountpoint: _, ...connector } = CONNECTOR;
    const { body } = await create({ volume_uuid: volume, connector });
    const path = `/attachments/${body.attachment.id}`;
    assert.equal((await api.call('POST', `${path}/action`, { body: { 'os-complete': null } })).status, 204);
    const shown = (await api.call('GET', `/volumes/${volume}`)).body.volume;
    assert.equal(shown.attachments[0].device, 'na');
    assert.equal((await api.call('DELETE', path)).status, 200);
  });

  it('a reservation that was completed first is given its connector later, but not beside another host', async () => {
    const [volume, server] = [await availableVolume(api), randomUUID()];
    const reservation = { volume_uuid: volume, instance_uuid: server };
    const path = `/attachments/${(await create(reservation)).body.attachment.id}`;
    assert.equal((await api.call('POST', `${path}/action`, { body: { 'os-complete': null } })).status, 204);
    const reserved = (await api.call('GET', `/volumes/${volume}`)).body.volume;
    assert.deepEqual([reserved.status, reserved.metadata], ['in-use', {}]);
    const connect = () => api.call('PUT', path, { body: { attachment: { connector: CONNECTOR } } });

    const connector = { ...CONNECTOR, initiator: 'iqn.1993-08.org.debian:01:quicker' };
    const quicker = await create({ ...reservation, connector });
    assert.equal(quicker.status, 200);
    const before = hosts.model.exports.get(volume);
    assert.equal((await connect()).status, 409);
    assert.deepEqual(hosts.model.exports.get(volume), before);
    assert.equal((await api.call('DELETE', `/attachments/${quicker.body.attachment.id}`)).status, 200);

    const connected = await connect();
    assert.equal(connected.status, 200, JSON.stringify(connected.body));
    const account = connected.body.attachment.connection_info.auth_username;
    assert.deepEqual(hosts.model.exports.get(volume), [`${CONNECTOR.initiator} ${account}`]);
    const shown = (await api.call('GET', path)).body.attachment;
    assert.deepEqual([shown.status, shown.connection_info.auth_username], ['attached', account]);
    assert.equal((await api.call('GET', `/volumes/${volume}`)).body.volume.status, 'in-use');
    assert.equal((await api.call('DELETE', path)).status, 200);
    await volumeBecomes(api, volume, 'available');
  });

  it('a reservation can be given back, and made once', async () => {
    const volume = await availableVolume(api);
    const first = await create({ volume_uuid: volume });
    const second = await create({ volume_uuid: volume });
    assert.equal(second.status, 400);
    assert.match(
      second.body.badRequest.message,
      /status must be available or downloading to reserve, but the current status is reserved\.$/,
    );
    assert.equal((await api.call('DELETE', `/attachments/${first.body.attachment.id}`)).status, 200);
    await volumeBecomes(api, volume, 'available');
  });

  it("a failed export leaves nothing behind and says why; another project's does not exist", async () => {
    const volume = await availableVolume(api);
    hosts.model.volumes.delete(volume);
    const failed = await heldFetch(`${api.url}/v3/attachments`, {
      method: 'POST',
      headers: {
        'X-Auth-Token': 'token-of-member',
        'Content-Type': 'application/json',
        'OpenStack-API-Version': 'volume 3.67',
      },
      body: JSON.stringify({ attachment: { volume_uuid: volume, connector: CONNECTOR } }),
    });
    assert.equal(failed.status, 500);
    assert.match(await failed.text(), /no volume/);
    await volumeBecomes(api, volume, 'available');
    const { body } = await api.call('GET', `/messages?resource_uuid=${volume}`);
    assert.match(
      body.messages[0].user_message,
      /^update attachment:Failed to attach volume\. attachment\.export: .*no volume/,
    );
    assert.equal((await api.call('GET', `/messages/${body.messages[0].id}`)).status, 200);
    assert.equal((await api.call('GET', `/messages/${body.messages[0].id}`, { as: 'stranger' })).status, 404);
    const rows = await api.db.selectFrom('attachments').select('id').execute();
    assert.deepEqual(rows, []);
    const { status } = await api.call('POST', '/attachments', {
      as: 'stranger',
      body: { attachment: { volume_uuid: volume } },
    });
    assert.equal(status, 404);
  });

  it('exist from microversion 3.27, their mode from 3.54', async () => {
    const volume = await availableVolume(api);
    assert.equal((await api.call('GET', '/attachments', { version: 26 })).status, 404);
    const body = { attachment: { volume_uuid: volume, mode: 'ro' } };
    assert.equal(
      (await api.call('POST', '/attachments', { version: 53, body })).body.badRequest.message,
      `Invalid input for field/attribute attachment. Value: {'volume_uuid': '${volume}', 'mode': 'ro'}. Additional properties are not allowed ('mode' was unexpected)`,
    );
    const made = await api.call('POST', '/attachments', { version: 54, body });
    const list = await api.call('GET', `/attachments/detail?volume_id=${volume}`);
    assert.deepEqual(
      list.body.attachments.map((item: { id: string }) => item.id),
      [made.body.attachment.id],
    );
  });

  it('one more for the same server while it moves to another host, or by type for many', async () => {
    const [volume, server] = [await availableVolume(api), randomUUID()];
    await create({ volume_uuid: volume, instance_uuid: server });
    const other = await create({ volume_uuid: volume, instance_uuid: randomUUID() });
    assert.equal(other.status, 400);
    const second = await create({
      volume_uuid: volume,
      instance_uuid: server,
      connector: { ...CONNECTOR, initiator: 'iqn.1993-08.org.debian:01:second' },
    });
    assert.equal(second.status, 200);
    assert.equal(hosts.model.exports.get(volume)?.length, 1);

    await api.call('POST', '/types', {
      as: 'admin',
      body: { volume_type: { name: 'shared', extra_specs: { multiattach: '<is> True' } } },
    });
    const shared = await availableVolume(api, { volume_type: 'shared' });
    for (const index of [1, 2]) {
      const connector = { initiator: `iqn.1993-08.org.debian:01:n${index}`, host: `client${index}` };
      const made = await create({ volume_uuid: shared, connector });
      assert.equal(made.status, 200, JSON.stringify(made.body));
      const path = `/attachments/${made.body.attachment.id}/action`;
      assert.equal((await api.call('POST', path, { body: { 'os-complete': null } })).status, 204);
      await volumeBecomes(api, shared, 'in-use');
    }
    assert.equal(hosts.model.exports.get(shared)?.length, 2);
    const [first] = (await api.call('GET', `/attachments?volume_id=${shared}&sort=created_at:asc`)).body
      .attachments;
    assert.equal((await api.call('DELETE', `/attachments/${first.id}`)).body.attachments.length, 1);
    await volumeBecomes(api, shared, 'in-use');
    assert.equal(hosts.model.exports.get(shared)?.length, 1);
  });

  it('of one host share its account, and the volume is there until the last has let go', async () => {
    const type = { name: 'shared-by-servers', extra_specs: { multiattach: '<is> True' } };
    await api.call('POST', '/types', { as: 'admin', body: { volume_type: type } });
    const volume = await availableVolume(api, { volume_type: type.name });
    const attached = async (connectLater: boolean) => {
      const first = { volume_uuid: volume, instance_uuid: randomUUID() };
      const made = await create(connectLater ? first : { ...first, connector: CONNECTOR });
      const path = `/attachments/${made.body.attachment?.id}`;
      const shown = connectLater
        ? await api.call('PUT', path, { body: { attachment: { connector: CONNECTOR } } })
        : made;
      assert.equal(shown.status, 200, JSON.stringify(shown.body));
      assert.equal((await api.call('POST', `${path}/action`, { body: { 'os-complete': null } })).status, 204);
      const { auth_username, auth_password } = shown.body.attachment.connection_info;
      return { path, account: { auth_username, auth_password } };
    };
    const [one, two, three] = [await attached(false), await attached(false), await attached(true)];
    for (const { account } of [two, three]) assert.deepEqual(account, one.account);
    const letIn = [`${CONNECTOR.initiator} ${one.account.auth_username}`];
    for (const { path } of [one, three]) {
      assert.deepEqual(hosts.model.exports.get(volume), letIn);
      assert.equal((await api.call('DELETE', path)).status, 200);
    }
    assert.deepEqual(hosts.model.exports.get(volume), letIn);
    assert.equal((await api.call('DELETE', two.path)).status, 200);
    assert.equal(hosts.model.exports.has(volume), false);
    await volumeBecomes(api, volume, 'available');
  });

  it('of many at once one gets the volume, and a delete at the same time gets nothing or everything', async () => {
    const volume = await availableVolume(api);
    const answers = await Promise.all([
      ...Array.from({ length: 6 }, () => create({ volume_uuid: volume, connector: CONNECTOR })),
      api.call('DELETE', `/volumes/${volume}`),
    ]);
    const won = answers.filter(({ status }) => status < 300);
    assert.equal(won.length, 1);
    if (won[0]?.status === 202) return;
    assert.equal((await api.call('DELETE', `/attachments/${won[0]?.body.attachment.id}`)).status, 200);
    assert.equal(hosts.model.exports.has(volume), false);
  });
});
