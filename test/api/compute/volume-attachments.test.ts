import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type VolumeId } from '#schema/ids.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('attaching volumes to servers', () => {
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

  const attach = (server: string, volume: string) =>
    api.compute('POST', `/servers/${server}/os-volume_attachments`, {
      body: { volumeAttachment: { volumeId: volume } },
    });

  it('lists the servers of the project; administrators see those of nobody too', async () => {
    const mine = await api.compute('GET', '/servers/detail');
    assert.deepEqual(
      mine.body.servers.map((server: { name: string }) => server.name),
      ['web'],
    );
    const all = await api.compute('GET', '/servers?sort=name:asc', { as: 'admin' });
    assert.equal(all.body.servers.length, 2);
    assert.equal((await api.compute('GET', `/servers/${hosts.server}`, { as: 'stranger' })).status, 404);
    assert.equal((await api.compute('GET', `/servers/${hosts.orphan}`)).status, 404);
    const named = async (name: string) =>
      (await api.compute('GET', `/servers?name=${encodeURIComponent(name)}`)).body.servers.length;
    assert.deepEqual(
      await Promise.all(['^web$', 'we', '^we', 'eb$', '^we$', '.*'].map(named)),
      [1, 1, 1, 1, 0, 0],
    );
    const old = await api.compute('GET', `/servers/${hosts.server}`, { version: 46 });
    assert.equal(old.body.server.flavor.id, '1-vcpu-512-mib');
  });

  it('attach, show, guard, detach', async () => {
    const volume = await availableVolume(api);
    const begun = await attach(hosts.server, volume);
    assert.equal(begun.status, 200);
    assert.equal(begun.body.volumeAttachment.volumeId, volume);
    await volumeBecomes(api, volume, 'in-use');
    const path = `/servers/${hosts.server}/os-volume_attachments/${volume}`;
    const shown = await api.compute('GET', path);
    assert.equal(shown.body.volumeAttachment.device, '/dev/vdb');
    const { body } = await api.call('GET', `/volumes/${volume}`);
    const [attachment] = body.volume.attachments;
    assert.equal(attachment.server_id, hosts.server);

    const guarded = await api.call('DELETE', `/attachments/${attachment.attachment_id}`);
    assert.equal(guarded.status, 409);
    assert.match(guarded.body.conflictingRequest.message, /using the Compute API$/);

    assert.equal((await attach(hosts.server, volume)).status, 400);
    assert.equal((await api.compute('DELETE', path)).status, 202);
    await volumeBecomes(api, volume, 'available');
    assert.equal((await api.compute('GET', path)).status, 404);
    assert.equal(hosts.model.disks.size, 0);
  });

  it('asks the host on which the server runs by now to let go', async () => {
    const volume = await availableVolume(api);
    await attach(hosts.server, volume);
    await volumeBecomes(api, volume, 'in-use');
    // As after a migration by hand from a host that no longer knows it.
    await api.db
      .updateTable('attachments')
      .set({ host: 'former' })
      .where('volume_id', '=', asId<VolumeId>(volume))
      .execute();
    await api.compute('DELETE', `/servers/${hosts.server}/os-volume_attachments/${volume}`);
    await volumeBecomes(api, volume, 'available');
    assert.equal(hosts.model.disks.size, 0);
  });

  it('a change of the QoS spec reaches the attached guest', async () => {
    const as = 'admin';
    const type = await api.call('POST', '/types', { as, body: { volume_type: { name: 'gold' } } });
    const qos = await api.call('POST', '/qos-specs', {
      as,
      body: { qos_specs: { name: 'fast', consumer: 'both', read_iops_sec: '400' } },
    });
    const [typeId, qosId]: string[] = [type.body.volume_type.id, qos.body.qos_specs.id];
    const associate = await api.call('GET', `/qos-specs/${qosId}/associate?vol_type_id=${typeId}`, { as });
    assert.equal(associate.status, 202);
    const volume = await availableVolume(api, { volume_type: 'gold' });
    await attach(hosts.server, volume);
    await volumeBecomes(api, volume, 'in-use');
    const limits = () => hosts.model.disks.get(`${hosts.server} ${volume}`)?.iotune;
    assert.deepEqual(limits(), { read_iops_sec: 400 });

    await api.call('PUT', `/qos-specs/${qosId}`, { as, body: { qos_specs: { read_iops_sec: '500' } } });
    await eventually(async () => assert.deepEqual(limits(), { read_iops_sec: 500 }));
    await api.call('GET', `/qos-specs/${qosId}/disassociate?vol_type_id=${typeId}`, { as });
    await eventually(async () => assert.deepEqual(limits(), {}));
    const { body } = await api.call('GET', `/operations?volume_id=${volume}`);
    const kinds = body.operations.map((operation: { kind: string }) => operation.kind);
    assert.deepEqual(kinds, ['qos.apply', 'qos.apply', 'volume.attach', 'volume.create']);
    const timeline = await api.call('GET', `/operations/${body.operations[2].id}`);
    assert.deepEqual(
      timeline.body.operation.steps.map((step: { name: string; state: string }) => [step.name, step.state]),
      [
        ['export', 'done'],
        ['plug', 'done'],
      ],
    );
    const foreign = await api.call('GET', `/operations/${body.operations[0].id}`, { as: 'stranger' });
    assert.equal(foreign.status, 404);
  });

  it('says at once why a host cannot', async () => {
    const volume = await availableVolume(api);
    assert.equal((await attach(randomUUID(), volume)).status, 404);
    const disable = { host: 'comp1', binary: 'blockyard-compute', disabled_reason: 'being drained' };
    await api.call('PUT', '/os-services/disable-log-reason', { as: 'admin', body: disable });
    const drained = await attach(hosts.server, volume);
    assert.match(drained.body.conflictingRequest.message, /is disabled: being drained\.$/);
    await api.call('PUT', '/os-services/enable', {
      as: 'admin',
      body: { host: 'comp1', binary: 'blockyard-compute' },
    });
    await api.db
      .updateTable('services')
      .set({ last_seen_at: '2026-01-01 00:00:00' })
      .where('host', '=', 'comp1')
      .execute();
    const down = await attach(hosts.server, volume);
    assert.equal(down.status, 409);
    assert.match(down.body.conflictingRequest.message, /is down: its agent last reported \d+ s ago\.$/);
    await volumeBecomes(api, volume, 'available');
  });
});
