import assert from 'node:assert/strict';
import { sqlTime } from '#schema/clock.ts';
import { asId } from '#schema/ids.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

const LONG_AGO = '2026-01-01 00:00:00';

describe('detaching by force', () => {
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

  const force = (volume: string, body: object | null = {}, as?: 'admin') =>
    api.call('POST', `/volumes/${volume}/action`, { body: { 'os-force_detach': body }, as: as ?? 'admin' });
  const seen = (last_seen_at: string) =>
    api.db.updateTable('services').set({ last_seen_at }).where('host', '=', 'comp1').execute();

  async function attached(): Promise<{ volume: string; attachment: string }> {
    await hosts.report();
    const volume = await availableVolume(api);
    await eventually(async () => {
      const answer = await api.compute('POST', `/servers/${hosts.server}/os-volume_attachments`, {
        body: { volumeAttachment: { volumeId: volume } },
      });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    });
    await volumeBecomes(api, volume, 'in-use');
    const { attachments } = (await api.call('GET', `/volumes/${volume}`)).body.volume;
    return { volume, attachment: attachments[0].attachment_id };
  }
  /** What the compute agent does when it reports again. */
  const cleared = () =>
    eventually(async () => {
      await hosts.report();
      assert.deepEqual((await api.call('GET', '/evictions', { as: 'admin' })).body.evictions, []);
    });

  it('is refused for what is not attached, and while the host is up', async () => {
    const none = await force(await availableVolume(api));
    assert.equal(none.status, 400);
    const { volume } = await attached();
    const up = await force(volume, { attachment_id: null, connector: { host: 'comp1' } });
    assert.equal(up.status, 409);
    assert.match(up.body.conflictingRequest.message, /^Host comp1 is not known to be down/);
    const other = await force(volume, { attachment_id: '00000000-0000-4000-8000-000000000000' });
    assert.equal(other.status, 400);
    await api.compute('DELETE', `/servers/${hosts.server}/os-volume_attachments/${volume}`);
    await volumeBecomes(api, volume, 'available');
  });

  it('frees the volume; the host is listed until it has been cleared', async () => {
    const { volume } = await attached();
    await seen(LONG_AGO);
    assert.equal((await force(volume, null)).status, 202);
    await volumeBecomes(api, volume, 'available');
    assert.equal(hosts.model.exports.has(volume), false);
    await cleared();
    assert.equal(hosts.model.disks.size, 0);
  });

  it('is what an administrator’s DELETE of the attachment does, and nobody else’s', async () => {
    const { volume, attachment } = await attached();
    await seen(LONG_AGO);
    assert.equal((await api.call('DELETE', `/attachments/${attachment}`)).status, 409);
    const { status, body } = await api.call('DELETE', `/attachments/${attachment}`, { as: 'admin' });
    assert.deepEqual([status, body.attachments], [200, []]);
    await volumeBecomes(api, volume, 'available');
    const [operation] = (await api.call('GET', `/operations?volume_id=${volume}`)).body.operations;
    assert.deepEqual([operation.kind, operation.state], ['volume.force-detach', 'done']);
    await cleared();
  });

  it('silence says nothing while conductors cannot hear', async () => {
    const { volume } = await attached();
    await seen(LONG_AGO);
    const now = sqlTime(Date.now());
    // A second conductor, which hears nothing.
    await api.db
      .insertInto('services')
      .values({
        binary: 'blockyard-conductor',
        host: 'deaf',
        agent: asId('deaf'),
        availability_zone: 'nova',
        disabled_reason: null,
        version: 'test',
        boot_id: 'boot',
        details: JSON.stringify({ deafUntil: Date.now() }),
        last_seen_at: now,
        updated_at: null,
      })
      .execute();
    assert.equal((await force(volume)).status, 409);
    await api.db.deleteFrom('services').where('host', '=', 'deaf').execute();
    await eventually(async () => {
      await seen(LONG_AGO);
      assert.equal((await force(volume)).status, 202);
    });
    await volumeBecomes(api, volume, 'available');
    await cleared();
  });
});
