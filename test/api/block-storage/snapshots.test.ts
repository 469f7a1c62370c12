import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type SnapshotId, type VolumeId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { type Answer, startApi, type TestApi, type Who } from '../support/api.ts';
import { availableVolume, eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('snapshots', () => {
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

  const create = (snapshot: Record<string, unknown>, version = 71): Promise<Answer> =>
    api.call('POST', '/snapshots', { version, body: { snapshot } });
  const becomes = (id: string, status: string) =>
    eventually(async () =>
      assert.equal((await api.call('GET', `/snapshots/${id}`)).body.snapshot.status, status),
    );
  const goes = (path: string) =>
    eventually(async () => assert.equal((await api.call('GET', path)).status, 404));
  const allocated = async () =>
    (await api.db.selectFrom('pools').select('allocated_gib').executeTakeFirstOrThrow()).allocated_gib;

  async function taken(volume: string): Promise<string> {
    const { status, body } = await create({ volume_id: volume, name: 'one' });
    assert.equal(status, 202, JSON.stringify(body));
    await becomes(body.snapshot.id, 'available');
    return body.snapshot.id;
  }

  it('are taken, shown, changed and deleted, and take room meanwhile', async () => {
    const volume = await availableVolume(api, { size: 2 });
    const before = await allocated();
    const id = await taken(volume);
    assert.equal(hosts.model.snapshots.get(id), volume);
    assert.equal(await allocated(), before + 2);
    const shown = (await api.call('GET', `/snapshots/${id}`)).body.snapshot;
    assert.deepEqual([shown.size, shown.volume_id, shown.name], [2, volume, 'one']);
    const renamed = await api.call('PUT', `/snapshots/${id}`, { body: { snapshot: { name: 'other' } } });
    assert.equal(renamed.body.snapshot.name, 'other');
    await api.call('POST', `/snapshots/${id}/metadata`, { body: { metadata: { a: 'b', c: 'd' } } });
    await api.call('DELETE', `/snapshots/${id}/metadata/a`);
    assert.deepEqual((await api.call('GET', `/snapshots/${id}/metadata`)).body.metadata, { c: 'd' });
    assert.equal((await api.call('GET', `/snapshots/${id}`, { as: 'stranger' })).status, 404);

    const operations = await api.call('GET', `/operations?volume_id=${volume}`);
    assert.ok(operations.body.operations.some(({ kind }: { kind: string }) => kind === 'snapshot.create'));
    const refused = await api.call('DELETE', `/volumes/${volume}`);
    assert.equal(refused.status, 400);
    assert.match(refused.body.badRequest.message, /have snapshots/);

    assert.equal((await api.call('DELETE', `/snapshots/${id}`)).status, 202);
    await goes(`/snapshots/${id}`);
    assert.equal(await allocated(), before);
    assert.equal((await api.call('DELETE', `/volumes/${volume}`)).status, 202);
    await goes(`/volumes/${volume}`);
  });

  it('of a volume in use need force before 3.66, and forbid its denial from there on', async () => {
    const volume = await availableVolume(api);
    const setStatus = (status: VolumeStatus) =>
      api.db.updateTable('volumes').set({ status }).where('id', '=', asId<VolumeId>(volume)).execute();
    await setStatus('in-use');
    assert.equal((await create({ volume_id: volume }, 65)).status, 400);
    assert.equal((await create({ volume_id: volume, force: true }, 65)).status, 202);
    assert.equal((await create({ volume_id: volume, force: false })).status, 400);
    const { body } = await create({ volume_id: volume });
    await becomes(body.snapshot.id, 'available');
    await setStatus('extending');
    assert.equal((await create({ volume_id: volume })).status, 400);
    await setStatus('available');
  });

  it('go with their volume when that is asked for', async () => {
    const volume = await availableVolume(api);
    await taken(volume);
    await taken(volume);
    assert.equal((await api.call('DELETE', `/volumes/${volume}?cascade=true`)).status, 202);
    await goes(`/volumes/${volume}`);
    assert.deepEqual([...hosts.model.snapshots.values()].includes(volume), false);
  });

  it('are listed by what they are of, page by page', async () => {
    const volume = await availableVolume(api);
    const ids = [await taken(volume), await taken(volume), await taken(volume)];
    const list = async (query: string) => (await api.call('GET', `/snapshots/detail?${query}`)).body;
    const first = await list(`volume_id=${volume}&limit=2&sort=created_at:asc`);
    assert.deepEqual(
      first.snapshots.map(({ id }: { id: string }) => id),
      ids.slice(0, 2),
    );
    assert.equal(first.snapshots_links.length, 1);
    const rest = await list(`volume_id=${volume}&limit=2&sort=created_at:asc&marker=${ids[1]}`);
    assert.deepEqual(
      rest.snapshots.map(({ id }: { id: string }) => id),
      ids.slice(2),
    );
    assert.equal((await list(`volume_id=${volume}&with_count=true`)).count, 3);

    // How far one has come is a text, in a real Cinder, too: 0%, 100%, 50%.
    for (const [index, progress] of ['50%', '0%'].entries())
      await api.db
        .updateTable('snapshots')
        .set({ progress })
        .where('id', '=', asId<SnapshotId>(ids[index] ?? ''))
        .execute();
    const inOrder: string[] = [];
    for (let marker = ''; inOrder.length < 3; marker = `&marker=${inOrder.at(-1)}`)
      inOrder.push((await list(`volume_id=${volume}&limit=1&sort=progress:asc${marker}`)).snapshots[0].id);
    assert.deepEqual(inOrder, [ids[1], ids[2], ids[0]]);
    assert.equal((await api.call('GET', '/snapshots?colour=blue')).status, 400);
  });

  const act = (id: string, action: string, body: unknown, as: Who = 'admin') =>
    api.call('POST', `/snapshots/${id}/action`, { as, body: { [action]: body } });

  it('are of a volume that there is; unknown fields are refused', async () => {
    assert.equal(
      (await create({ volume_id: null })).body.itemNotFound.message,
      'Volume None could not be found.',
    );
    const volume = await availableVolume(api);
    assert.equal((await create({ volume_id: volume, colour: 'blue' }, 0)).status, 400);
    assert.equal((await create({ name: 'x' })).status, 400);
    const id = await taken(volume);
    const { body } = await api.call('PUT', `/snapshots/${id}`, { version: 0, body: { snapshot: {} } });
    assert.match(body.badRequest.message, /not valid under any of the given schemas$/);
    await api.call('POST', `/snapshots/${id}/metadata`, { body: { metadata: { a: 'b' } } });
    assert.deepEqual((await api.call('GET', `/snapshots/${id}/metadata/a`)).body, { meta: { a: 'b' } });
    const nothing = await api.call('PUT', `/snapshots/${randomUUID()}`, { body: { snapshot: {} } });
    assert.match(nothing.body.badRequest.message, /is not valid under any of the given schemas$/);
    const missing = await api.call('GET', `/snapshots/${id}/metadata/b`);
    assert.equal(missing.body.itemNotFound.message, `Snapshot ${id} has no metadata with key b.`);
  });

  it('have descriptions that can be printed, and names of 255 characters', async () => {
    const volume = await availableVolume(api);
    for (const [field, value, message] of [
      ['description', 'a\nb', /attribute description\. Value: a\nb\./],
      ['description', 'x'.repeat(256), /'x+' is too long$/],
      ['name', 'x'.repeat(256), /'x+' is too long$/],
    ] as const) {
      const { status, body } = await create({ volume_id: volume, [field]: value });
      assert.equal(status, 400, field);
      assert.match(body.badRequest.message, message);
    }
    const { body } = await create({ volume_id: volume, name: ` ${'é'.repeat(254)}`, description: ' x ' });
    assert.deepEqual([body.snapshot.name, body.snapshot.description], ['é'.repeat(254), 'x']);
    await becomes(body.snapshot.id, 'available');
    const change = { snapshot: { display_description: '😀' } };
    assert.equal((await api.call('PUT', `/snapshots/${body.snapshot.id}`, { body: change })).status, 400);
  });

  it('are unmanaged once they are available or have failed', async () => {
    const volume = await availableVolume(api);
    const id = await taken(volume);
    await api.db
      .updateTable('snapshots')
      .set({ status: 'restoring' })
      .where('id', '=', asId<SnapshotId>(id))
      .execute();
    const { status, body } = await act(id, 'os-unmanage', {});
    assert.equal(status, 400);
    assert.equal(
      body.badRequest.message,
      'Invalid snapshot: Snapshot status must be available or error and must not be part of a group.',
    );
    await api.db
      .updateTable('snapshots')
      .set({ status: 'error' })
      .where('id', '=', asId<SnapshotId>(id))
      .execute();
    assert.equal((await act(id, 'os-unmanage', null)).status, 202);
  });

  it('have metadata that are checked as Cinder does it by hand', async () => {
    const id = await taken(await availableVolume(api));
    const long = 'x'.repeat(256);
    const word = 'Invalid metadata: Invalid input received:';
    const size = 'Invalid metadata size: Metadata property key';
    for (const [metadata, status, message] of [
      [null, 400, "Missing required element 'metadata' in request body."],
      [[], 400, "Missing required element 'metadata' in request body."],
      [{ k: 5 }, 400, `${word} Value for metadata key: k is not a string or unicode`],
      [{ '': 'x' }, 400, `${word} Metadata key:  has 0 characters, less than 1.`],
      [{ k: long }, 413, `${size} k value greater than 255 characters.`],
      [{ [long]: 'x' }, 413, `${size} ${long} greater than 255 characters.`],
    ] as const)
      for (const method of ['POST', 'PUT'] as const) {
        const answer = await api.call(method, `/snapshots/${id}/metadata`, { body: { metadata } });
        assert.equal(answer.status, status);
        assert.equal((answer.body.badRequest ?? answer.body.overLimit).message, message);
      }
    const put = (body: unknown) => api.call('PUT', `/snapshots/${id}/metadata/a`, { body });
    for (const [body, message] of [
      [{}, "Missing required element 'meta' in request body."],
      [{ meta: {} }, 'Request body and URI mismatch'],
      [{ meta: { b: '1' } }, 'Request body and URI mismatch'],
      [{ meta: { a: '1', b: '2' } }, 'Request body contains too many items'],
    ])
      assert.equal((await put(body)).body.badRequest.message, message);
    assert.deepEqual((await put({ meta: { a: '1' }, more: 1 })).body, { meta: { a: '1' } });
    assert.deepEqual((await api.call('GET', `/snapshots/${id}/metadata`)).body.metadata, { a: '1' });
    // Here, and only here, a key may consist of anything.
    const strange = { 'a"\\': 'x', é: 'y', '\u{1F600}': 'z' };
    const kept = await api.call('PUT', `/snapshots/${id}/metadata`, { body: { metadata: strange } });
    assert.deepEqual(kept.body, { metadata: strange });
    assert.deepEqual((await api.call('GET', `/snapshots/${id}`)).body.snapshot.metadata, strange);
    const one = await api.call('GET', `/snapshots/${id}/metadata/${encodeURIComponent('a"\\')}`);
    assert.deepEqual(one.body, { meta: { 'a"\\': 'x' } });
    const found = await api.call('GET', `/snapshots?metadata=${encodeURIComponent("{'é': 'y'}")}`);
    assert.deepEqual(
      found.body.snapshots.map((each: { id: string }) => each.id),
      [id],
    );
  });

  it('have their status reset, told, and are deleted by force from each', async () => {
    const volume = await availableVolume(api);
    for (const status of ['creating', 'deleting', 'error', 'error_deleting']) {
      const id = await taken(volume);
      assert.equal((await act(id, 'os-reset_status', { status }, 'member')).status, 403);
      assert.equal((await act(id, 'os-reset_status', { status })).status, 202);
      await becomes(id, status);
      assert.equal((await act(id, 'os-force_delete', null, 'member')).status, 403);
      assert.equal((await act(id, 'os-force_delete', {})).status, 202);
      await goes(`/snapshots/${id}`);
      assert.equal(hosts.model.snapshots.has(id), false);
    }
    const id = await taken(volume);
    const tell = (body: object) => act(id, 'os-update_snapshot_status', body, 'member');
    const progress = async () =>
      (await api.call('GET', `/snapshots/${id}`)).body.snapshot['os-extended-snapshot-attributes:progress'];
    const why = (answer: Answer) => answer.body.badRequest.message;
    assert.equal(await progress(), '100%');
    assert.equal(
      why(await tell({ status: 'error' })),
      'Snapshot status available not allowed for update_snapshot_status',
    );
    assert.match(
      why(await act(id, 'os-reset_status', { status: 'x' })),
      /^Snapshot status: x is invalid, valid/,
    );
    assert.equal((await act(id, 'os-reset_status', { status: 'creating' })).status, 202);
    assert.equal(await progress(), '0%');
    assert.equal(
      why(await tell({ status: 'deleting' })),
      'Provided snapshot status deleting not allowed for snapshot with status creating.',
    );
    assert.equal(
      why(await tell({ status: 'error', progress: '101%' })).slice(0, 23),
      'Invalid input received:',
    );
    assert.equal((await tell({ status: 'error', progress: '80%' })).status, 202);
    await becomes(id, 'error');
    assert.equal(await progress(), '80%');
    assert.equal((await act(id, 'os-reset_status', { status: 'available' })).status, 202);
  });

  it('that failed may be deleted, and have taken no room', async () => {
    const volume = await availableVolume(api);
    hosts.model.volumes.delete(volume);
    const before = await allocated();
    const { body } = await create({ volume_id: volume });
    await becomes(body.snapshot.id, 'error');
    assert.equal(await allocated(), before);
    await api.call('DELETE', `/snapshots/${body.snapshot.id}`);
    await goes(`/snapshots/${body.snapshot.id}`);
    assert.equal(await allocated(), before);
    await volumeBecomes(api, volume, 'available');
  });
});
