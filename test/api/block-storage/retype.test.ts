import assert from 'node:assert/strict';
import { startApi, type TestApi } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('retype of a volume in use', () => {
  let api: TestApi;
  let hosts: Hosts;
  before(async function () {
    this.timeout(60_000);
    api = await startApi();
    hosts = await startHosts(api);
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const as = 'admin';
  const limited = async (name: string, iops: number, specs: object = {}): Promise<void> => {
    const type = await api.call('POST', '/types', {
      as,
      body: { volume_type: { name, extra_specs: specs } },
    });
    const spec = await api.call('POST', '/qos-specs', {
      as,
      body: { qos_specs: { name, consumer: 'front-end', total_iops_sec: String(iops) } },
    });
    const path = `/qos-specs/${spec.body.qos_specs.id}/associate?vol_type_id=${type.body.volume_type.id}`;
    assert.equal((await api.call('GET', path, { as })).status, 202);
  };
  const retype = (id: string, type: string) =>
    api.call('POST', `/volumes/${id}/action`, { body: { 'os-retype': { new_type: type } } });

  it('sets the new limits in the guest', async () => {
    await limited('slow', 5);
    await limited('fast', 500);
    await limited('shared', 500, { multiattach: '<is> True' });
    const volume = await availableVolume(api, { volume_type: 'slow' });
    await api.compute('POST', `/servers/${hosts.server}/os-volume_attachments`, {
      body: { volumeAttachment: { volumeId: volume } },
    });
    await volumeBecomes(api, volume, 'in-use');
    const limits = () => hosts.model.disks.get(`${hosts.server} ${volume}`)?.iotune;
    assert.deepEqual(limits(), { total_iops_sec: 5 });
    assert.equal((await retype(volume, 'fast')).status, 202);
    await eventually(async () => assert.deepEqual(limits(), { total_iops_sec: 500 }));
    const { body } = await api.call('GET', `/volumes/${volume}`);
    assert.deepEqual([body.volume.status, body.volume.volume_type], ['in-use', 'fast']);

    for (const migration_policy of [null, 'always']) {
      const body = { 'os-retype': { new_type: 'shared', migration_policy } };
      const refused = await api.call('POST', `/volumes/${volume}/action`, { body });
      assert.match(refused.body.badRequest.message, /^Invalid input for field\/attribute migration_policy\./);
    }
    const shared = await retype(volume, 'shared');
    assert.equal(shared.status, 400);
    assert.match(shared.body.badRequest.message, /multiattach are only allowed on available volumes/);
  });

  it('is refused where somebody has connected it by themselves, whose limits nobody here can change', async () => {
    const volume = await availableVolume(api, { volume_type: 'slow' });
    const attachment = await api.call('POST', '/attachments', {
      body: {
        attachment: {
          volume_uuid: volume,
          instance_uuid: hosts.server,
          connector: { initiator: 'iqn.2010-10.org.blockyard:guest', host: 'guest', ip: '127.0.0.1' },
        },
      },
    });
    await eventually(async () => {
      const answer = await api.call('POST', `/attachments/${attachment.body.attachment.id}/action`, {
        body: { 'os-complete': null },
      });
      assert.equal(answer.status, 204);
    });
    await volumeBecomes(api, volume, 'in-use');
    const answer = await retype(volume, 'fast');
    assert.equal(answer.status, 400);
    assert.match(answer.body.badRequest.message, /front-end qos specs cannot change/);
  });
});
