import assert from 'node:assert/strict';
import { asId, type SnapshotId, type VolumeId } from '#schema/ids.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('transfers', () => {
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

  const offer = (transfer: Record<string, unknown>, path = '/volume-transfers'): Promise<Answer> =>
    api.call('POST', path, { body: { transfer } });
  const accept = (id: string, key: unknown): Promise<Answer> =>
    api.call('POST', `/volume-transfers/${id}/accept`, {
      as: 'stranger',
      body: { accept: { auth_key: key } },
    });

  async function snapshotOf(volume: string): Promise<string> {
    const { body } = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volume } } });
    await eventually(async () =>
      assert.equal(
        (await api.call('GET', `/snapshots/${body.snapshot.id}`)).body.snapshot.status,
        'available',
      ),
    );
    return body.snapshot.id;
  }

  it('hand a volume and its snapshots to another project', async () => {
    const volume = await availableVolume(api);
    const snapshot = await snapshotOf(volume);
    const { status, body } = await offer({ volume_id: volume, name: ' gift ' });
    assert.equal(status, 202);
    const { transfer } = body;
    assert.deepEqual(
      [transfer.name, transfer.no_snapshots, transfer.source_project_id, transfer.accepted],
      ['gift', false, PROJECT, false],
    );
    await volumeBecomes(api, volume, 'awaiting-transfer');
    const shown = (await api.call('GET', `/volume-transfers/${transfer.id}`)).body.transfer;
    assert.equal(shown.auth_key, undefined);
    assert.equal((await api.call('GET', `/volume-transfers/${transfer.id}`, { as: 'stranger' })).status, 404);

    const wrong = await accept(transfer.id, 'no such key');
    assert.equal(wrong.status, 400);
    assert.equal(
      wrong.body.badRequest.message,
      `Invalid auth key: Attempt to transfer ${transfer.id} with invalid auth key.`,
    );
    const accepted = await accept(transfer.id, transfer.auth_key);
    assert.equal(accepted.status, 202);
    assert.equal((await accept(transfer.id, transfer.auth_key)).status, 404, 'a key is good once');

    const theirs = (await api.call('GET', `/volumes/${volume}`, { as: 'stranger' })).body.volume;
    assert.deepEqual(
      [theirs.status, theirs['os-vol-tenant-attr:tenant_id'], theirs.user_id],
      ['available', OTHER_PROJECT, 'eve'],
    );
    assert.equal((await api.call('GET', `/snapshots/${snapshot}`, { as: 'stranger' })).status, 200);
    for (const path of [`/volumes/${volume}`, `/snapshots/${snapshot}`]) {
      assert.equal((await api.call('GET', path)).status, 404, path);
    }
  });

  it('leave the snapshots behind when asked to: their owner keeps them, and the new owner the volume', async () => {
    const volume = await availableVolume(api);
    const snapshot = await snapshotOf(volume);
    const { transfer } = (await offer({ volume_id: volume, no_snapshots: true })).body;
    assert.equal((await accept(transfer.id, transfer.auth_key)).status, 202);

    const cascade = await api.call('DELETE', `/volumes/${volume}?cascade=true`, { as: 'stranger' });
    assert.equal(cascade.status, 400, "another project's snapshot does not go with it");
    assert.equal((await api.call('GET', `/snapshots/${snapshot}`)).status, 200);
    const copy = await api.call('POST', '/volumes', { body: { volume: { snapshot_id: snapshot } } });
    assert.equal(copy.status, 202, JSON.stringify(copy.body));
    await volumeBecomes(api, copy.body.volume.id, 'available');
    assert.equal((await api.call('DELETE', `/snapshots/${snapshot}`)).status, 202);
    await eventually(async () => assert.equal((await api.call('GET', `/snapshots/${snapshot}`)).status, 404));
    assert.equal((await api.call('DELETE', `/volumes/${volume}`, { as: 'stranger' })).status, 202);
  });

  it('are taken back, and only what is free can be offered', async () => {
    const volume = await availableVolume(api);
    const first = (await offer({ volume_id: volume })).body.transfer;
    const again = await offer({ volume_id: volume });
    assert.equal(again.body.badRequest.message, 'Invalid volume: status must be available');
    assert.equal((await api.call('DELETE', `/volumes/${volume}`)).status, 400);
    const gone = await api.call('DELETE', `/volume-transfers/${first.id}`, { as: 'stranger' });
    assert.equal(gone.status, 404);
    assert.equal((await api.call('DELETE', `/volume-transfers/${first.id}`)).status, 202);
    await volumeBecomes(api, volume, 'available');
    assert.equal((await accept(first.id, first.auth_key)).status, 404);

    const snapshot = asId<SnapshotId>(await snapshotOf(volume));
    await api.db.updateTable('snapshots').set({ status: 'error' }).where('id', '=', snapshot).execute();
    const busy = await offer({ volume_id: volume });
    assert.match(busy.body.badRequest.message, /^Invalid snapshot: .* status must be available$/);
    assert.equal((await offer({ volume_id: volume, no_snapshots: true })).status, 202);
  });

  it('are not accepted once the volume has been reset by hand', async () => {
    const volume = await availableVolume(api);
    const { transfer } = (await offer({ volume_id: volume })).body;
    await api.db
      .updateTable('volumes')
      .set({ status: 'error' })
      .where('id', '=', asId<VolumeId>(volume))
      .execute();
    const refused = await accept(transfer.id, transfer.auth_key);
    assert.match(refused.body.badRequest.message, /expected in awaiting-transfer state/);
    assert.equal((await api.call('DELETE', `/volume-transfers/${transfer.id}`)).status, 202);
    assert.equal((await api.call('GET', `/volumes/${volume}`)).body.volume.status, 'error');
  });

  it('are refused where the new owner has no room, and stay offered', async () => {
    const volume = await availableVolume(api);
    const { transfer } = (await offer({ volume_id: volume })).body;
    const limit = (quotas: object) =>
      api.call('PUT', `/os-quota-sets/${OTHER_PROJECT}`, { as: 'admin', body: { quota_set: quotas } });
    const usage = await api.call('GET', `/os-quota-sets/${OTHER_PROJECT}?usage=True`, { as: 'admin' });
    const has: number = usage.body.quota_set.gigabytes.in_use;
    for (const [quotas, message] of [
      [
        { volumes: 0 },
        "VolumeLimitExceeded: Maximum number of volumes allowed (0) exceeded for quota 'volumes'.",
      ],
      // Which error Cinder itself catches here, and shows without its name.
      [
        { volumes: -1, gigabytes: 0 },
        `Requested volume or snapshot exceeds allowed gigabytes quota. Requested 1G, quota is 0G and ${has}G has been consumed.`,
      ],
    ] as const) {
      assert.equal((await limit(quotas)).status, 200);
      const refused = await accept(transfer.id, transfer.auth_key);
      assert.equal(refused.status, 413);
      assert.deepEqual([refused.body.overLimit.message, refused.body.overLimit.retryAfter], [message, '0']);
    }
    assert.equal((await api.call('GET', `/volumes/${volume}`)).body.volume.status, 'awaiting-transfer');
    await limit({ volumes: -1, gigabytes: -1 });
    assert.equal((await accept(transfer.id, transfer.auth_key)).status, 202);
  });

  it('have two names, and fields from the microversions that brought them', async () => {
    const volume = await availableVolume(api);
    const { transfer } = (await offer({ volume_id: volume, name: 'two names' }, '/os-volume-transfer')).body;
    const fields = async (version: number) =>
      Object.keys((await api.call('GET', `/os-volume-transfer/${transfer.id}`, { version })).body.transfer);
    assert.ok(!(await fields(54)).includes('no_snapshots'));
    assert.ok((await fields(55)).includes('no_snapshots') && !(await fields(56)).includes('accepted'));
    const other = await availableVolume(api);
    const early = await api.call('POST', '/volume-transfers', {
      version: 54,
      body: { transfer: { volume_id: other, no_snapshots: true } },
    });
    assert.equal(early.status, 400);
    const second = (await offer({ volume_id: other, name: 'b' })).body.transfer;

    const ids = async (path: string, version = 71) => {
      const { body } = await api.call('GET', path, { version });
      return body.transfers.map(({ id }: { id: string }) => id);
    };
    const oldest = await ids('/os-volume-transfer?name=two%20names');
    assert.deepEqual(oldest, [transfer.id]);
    const sorted = await ids('/volume-transfers/detail?sort=display_name:desc&limit=1');
    assert.deepEqual(sorted, [transfer.id]);
    const after = await ids(
      `/volume-transfers?sort=display_name:desc&marker=${transfer.id}&volume_id=${other}`,
    );
    assert.deepEqual(after, [second.id]);
    const all = await ids('/volume-transfers', 58);
    assert.ok(all.indexOf(transfer.id) < all.indexOf(second.id), 'oldest first before 3.59');
    assert.deepEqual((await api.call('GET', '/volume-transfers', { as: 'stranger' })).body.transfers, []);
  });
});
