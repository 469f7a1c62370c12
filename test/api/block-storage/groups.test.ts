import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type GroupId, type ProjectId, type VolumeId } from '#schema/ids.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi } from '../support/api.ts';
import { eventually, type Hosts, startHosts, volumeBecomes } from '../support/hosts.ts';

describe('groups', () => {
  let api: TestApi;
  let hosts: Hosts;
  let volumeType: string;
  let groupType: string;
  before(async () => {
    api = await startApi();
    hosts = await startHosts(api);
    volumeType = (await api.call('POST', '/types', { as, body: { volume_type: { name: randomUUID() } } }))
      .body.volume_type.id;
    groupType = await makeGroupType();
  });
  after(async () => {
    await hosts[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const as = 'admin' as const;
  async function makeGroupType(type: Record<string, unknown> = {}): Promise<string> {
    const body = { group_type: { name: randomUUID(), ...type } };
    const answer = await api.call('POST', '/group_types', { as, body });
    assert.equal(answer.status, 202);
    return answer.body.group_type.id;
  }
  const create = (group: Record<string, unknown> = {}): Promise<Answer> =>
    api.call('POST', '/groups', {
      body: { group: { group_type: groupType, volume_types: [volumeType], ...group } },
    });
  const show = async (id: string) => (await api.call('GET', `/groups/${id}?list_volume=true`)).body.group;
  const act = (id: string, body: Record<string, unknown>, who: 'member' | 'admin' = 'member') =>
    api.call('POST', `/groups/${id}/action`, { as: who, body });
  const goes = (path: string) =>
    eventually(async () => assert.equal((await api.call('GET', path)).status, 404));
  const becomes = (path: string, noun: string, status: string) =>
    eventually(async () => assert.equal((await api.call('GET', path)).body[noun].status, status));

  async function makeGroup(volumes: number): Promise<{ id: string; volumes: string[] }> {
    const { status, body } = await create({ name: 'group' });
    assert.equal(status, 202);
    const made: string[] = [];
    for (let i = 0; i < volumes; i++) made.push(await makeVolume(body.group.id));
    return { id: body.group.id, volumes: made };
  }
  async function makeVolume(group: string | null): Promise<string> {
    const volume = { size: 1, volume_type: volumeType, ...(group !== null && { group_id: group }) };
    const { status, body } = await api.call('POST', '/volumes', { body: { volume } });
    assert.equal(status, 202, JSON.stringify(body));
    assert.equal(body.volume.group_id, group);
    await volumeBecomes(api, body.volume.id, 'available');
    return body.volume.id;
  }
  async function takeSnapshot(group: string): Promise<string> {
    const { status, body } = await api.call('POST', '/group_snapshots', {
      body: { group_snapshot: { group_id: group, name: 'taken' } },
    });
    assert.equal(status, 202, JSON.stringify(body));
    assert.equal(body.group_snapshot.group_type_id, groupType);
    return body.group_snapshot.id;
  }
  const snapshotsOf = async (id: string) =>
    (await api.call('GET', '/snapshots/detail')).body.snapshots.filter(
      (snapshot: { group_snapshot_id: string }) => snapshot.group_snapshot_id === id,
    );

  it('group types: create, list, show, update, specs, delete', async () => {
    const name = randomUUID();
    const id = await makeGroupType({ name, group_specs: { key: '<is> False' }, is_public: false });
    assert.equal((await api.call('GET', `/group_types/${id}`)).status, 404, 'a private type');
    const path = `/group_types/${id}`;
    assert.equal((await api.call('GET', path, { as })).body.group_type.group_specs.key, '<is> False');
    assert.equal((await api.call('GET', path, { as, version: 10 })).status, 404);
    const taken = await api.call('POST', '/group_types', { as, body: { group_type: { name } } });
    assert.equal(taken.body.conflictingRequest.message, `Group Type ${name} already exists.`);
    const both = await api.call('GET', '/group_types?is_public=None&sort=name:asc', { as });
    assert.ok(both.body.group_types.some((each: { id: string }) => each.id === id));
    const changed = await api.call('PUT', path, { as, body: { group_type: { is_public: true } } });
    assert.deepEqual([changed.body.group_type.name, changed.body.group_type.is_public], [name, true]);
    assert.equal((await api.call('GET', path)).body.group_type.group_specs, undefined);
    const unnamed = await api.call('PUT', path, { as, body: { group_type: { name: '' } } });
    assert.equal(unnamed.body.group_type.name, '');

    const specs = `${path}/group_specs`;
    const added = await api.call('POST', specs, { as, body: { group_specs: { a: '1', b: '2' } } });
    assert.deepEqual([added.status, added.body], [202, { group_specs: { a: '1', b: '2' } }]);
    assert.deepEqual((await api.call('PUT', `${specs}/a`, { as, body: { a: '3' } })).body, { a: '3' });
    assert.equal((await api.call('PUT', `${specs}/a`, { as, body: { b: '3' } })).status, 400);
    const said = async (method: 'POST' | 'PUT', where: string, body: object): Promise<string> =>
      (await api.call(method, where, { as, body })).body.badRequest.message;
    assert.equal(await said('PUT', `${specs}/a`, {}), '{} does not have enough properties');
    assert.equal(
      await said('PUT', `${specs}/a`, { a: '1', b: '2' }),
      "{'a': '1', 'b': '2'} has too many properties",
    );
    assert.equal(
      await said('POST', '/group_types', { group_type: { name: ' ' } }),
      "An invalid 'name' value was provided. The 'name' can not be empty.",
    );
    assert.match(
      await said('POST', '/group_types', { group_type: { name: 'n', group_specs: { k: null } } }),
      /None is not of type 'string'$/,
    );
    assert.deepEqual((await api.call('PUT', `${specs}/b`, { as, body: { b: null } })).body, { b: null });
    assert.deepEqual((await api.call('GET', `${specs}/b`, { as })).body, { b: null });
    assert.equal((await api.call('DELETE', `${specs}/b`, { as })).status, 202);
    assert.equal((await api.call('GET', `${specs}/b`, { as })).status, 404);
    assert.deepEqual((await api.call('GET', specs, { as })).body.group_specs, { key: '<is> False', a: '3' });
    assert.equal((await api.call('GET', specs)).status, 403);
    assert.equal((await api.call('DELETE', path, { as })).status, 202);
    assert.equal((await api.call('GET', path, { as })).status, 404);
  });

  it('are not made of the type that Cinder keeps for itself, which everybody sees', async () => {
    const { body } = await api.call('GET', '/group_types?sort=name:asc&marker=nothing', { as });
    const reserved = body.group_types.find(
      ({ name }: { name: string }) => name === 'default_cgsnapshot_type',
    );
    assert.deepEqual(
      [reserved.is_public, reserved.group_specs],
      [true, { consistent_group_snapshot_enabled: '<is> True' }],
    );
    const page = await api.call('GET', '/group_types?marker=nothing&limit=1', { as });
    assert.match(page.body.group_type_links[0].href, /\?limit=1&marker=[0-9a-f-]{36}$/);
    assert.equal(
      (await create({ group_type: reserved.name })).body.badRequest?.message,
      `Group_type ${reserved.id} is reserved for migrating CGs to groups. Migrated group can only be operated by CG APIs.`,
    );
  });

  it('are created empty, shown, listed and deleted at once', async () => {
    const { id } = await makeGroup(0);
    const early = await api.call('POST', '/group_snapshots', { body: { group_snapshot: { group_id: id } } });
    assert.equal(
      early.body.badRequest?.message,
      "Invalid Group: Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be created.",
    );
    const group = await show(id);
    assert.deepEqual(
      [
        group.status,
        group.name,
        group.group_type,
        group.volume_types,
        group.volumes,
        group.replication_status,
      ],
      ['available', 'group', groupType, [volumeType], [], 'disabled'],
    );
    assert.equal((await api.call('GET', `/groups/${id}`, { version: 24 })).body.group.volumes, undefined);
    assert.equal((await api.call('GET', `/groups/${id}`, { as: 'stranger' })).status, 404);
    const listed = await api.call('GET', '/groups/detail?name=group&sort=created_at:asc');
    assert.ok(listed.body.groups.some((each: { id: string }) => each.id === id));
    assert.equal((await api.call('GET', '/groups?status=available')).status, 400, 'not a filter for all');
    const used = await api.call('DELETE', `/group_types/${groupType}`, { as });
    assert.equal(
      used.body.badRequest.message,
      `Target group type is still in use. Group Type ${groupType} deletion is not allowed with groups present with the type.`,
    );
    const inUse = await api.call('DELETE', `/types/${volumeType}`, { as });
    assert.equal(inUse.body.badRequest.message, 'Target volume type is still in use.');
    assert.equal((await act(id, { delete: {} })).status, 202);
    assert.equal((await api.call('GET', `/groups/${id}`)).status, 404);

    assert.equal((await create({ group_type: 'no such type' })).status, 404);
    assert.equal((await create({ volume_types: ['no such type'] })).status, 404);
    assert.equal((await create({ volume_types: [] })).status, 400);
    assert.equal(
      (await create({ availability_zone: 'nowhere' })).body.badRequest.message,
      "Invalid input received: Availability zone 'nowhere' is invalid.",
    );
    for (const promise of [
      'consistent_group_snapshot_enabled',
      'group_replication_enabled',
      'consistent_group_replication_enabled',
    ]) {
      const group_type = await makeGroupType({ group_specs: { [promise]: '<is> True' } });
      const refused = await create({ group_type });
      assert.match(refused.body.badRequest?.message, new RegExp(`^Invalid group type: .*${promise}`));
    }
  });

  it('take volumes of their types, and give them back', async () => {
    const { id, volumes } = await makeGroup(2);
    const [first = '', second = ''] = volumes;
    assert.deepEqual((await show(id)).volumes, volumes);
    const list = await api.call('GET', `/volumes?group_id=${id}`);
    assert.equal(list.body.volumes.length, 2);
    const untyped = await api.call('POST', '/volumes', { body: { volume: { size: 1, group_id: id } } });
    assert.match(untyped.body.badRequest.message, /volume_type must be provided/);
    const alone = await api.call('DELETE', `/volumes/${first}`);
    assert.match(alone.body.badRequest.message, /belong to a group/);
    assert.equal(
      (await api.call('POST', '/os-volume-transfer', { body: { transfer: { volume_id: first } } })).status,
      400,
    );

    const put = (group: Record<string, unknown>) => api.call('PUT', `/groups/${id}`, { body: { group } });
    assert.equal((await put({ name: 'renamed', remove_volumes: second })).status, 202);
    const changed = await show(id);
    assert.deepEqual([changed.name, changed.status, changed.volumes], ['renamed', 'available', [first]]);
    assert.equal((await put({ add_volumes: `${second},` })).status, 202);
    assert.deepEqual(new Set((await show(id)).volumes), new Set(volumes));
    assert.match((await put({ name: 'renamed' })).body.badRequest.message, /no valid name, description/);
    const missing = randomUUID();
    const refused = await put({ add_volumes: missing });
    assert.equal(
      refused.body.badRequest.message,
      `Invalid volume: Cannot add volume ${missing} to group ${id} because volume cannot be found.`,
    );
    assert.match((await put({ remove_volumes: missing })).body.badRequest.message, /is not in the group\.$/);
    const other = await makeGroup(1);
    assert.match((await put({ add_volumes: other.volumes[0] })).body.badRequest.message, /already in group/);
  });

  it('tell nobody of a private type that is not his, by its id or by its name', async () => {
    const name = `theirs ${randomUUID()}`;
    const theirs = await api.call('POST', '/types', {
      as,
      body: { volume_type: { name, 'os-volume-type-access:is_public': false } },
    });
    const { id: group } = (await create()).body.group;
    for (const [known, unknown, kind] of [
      [theirs.body.volume_type.id, randomUUID(), 'Volume type'],
      [name, `no ${name}`, 'Volume type with name'],
    ] as const) {
      for (const type of [known, unknown]) {
        const refusals = [
          await create({ volume_types: [type] }),
          await api.call('POST', '/consistencygroups', {
            body: { consistencygroup: { volume_types: type } },
          }),
          await api.call('POST', '/volumes', {
            body: { volume: { size: 1, volume_type: type, group_id: group } },
          }),
        ];
        for (const { status, body } of refusals)
          assert.deepEqual(
            [status, body.itemNotFound?.message],
            [404, `${kind} ${type} could not be found.`],
          );
      }
    }
  });

  it('go with their volumes when asked to, and with the last of them', async () => {
    const { id, volumes } = await makeGroup(2);
    const kept = await act(id, { delete: { 'delete-volumes': false } });
    assert.match(kept.body.badRequest.message, /delete-volumes flag is required/);
    const snapshot = await api.call('POST', '/snapshots', { body: { snapshot: { volume_id: volumes[0] } } });
    const busy = await act(id, { delete: { 'delete-volumes': true } });
    assert.equal(
      busy.body.badRequest.message,
      'Invalid Group: Volume in group still has dependent snapshots.',
    );
    const path = `/snapshots/${snapshot.body.snapshot.id}`;
    await becomes(path, 'snapshot', 'available');
    await api.call('DELETE', path);
    await goes(path);

    assert.equal((await act(id, { delete: { 'delete-volumes': true } })).status, 202);
    await goes(`/groups/${id}`);
    for (const volume of volumes) {
      assert.equal((await api.call('GET', `/volumes/${volume}`)).status, 404);
      assert.equal(hosts.model.volumes.has(volume), false);
    }
  });

  it('are not stuck when a volume cannot be deleted', async () => {
    const { id, volumes } = await makeGroup(2);
    const [first = '', second = ''] = volumes;
    // The host still has an export of it, and refuses.
    hosts.model.exports.set(first, []);
    assert.equal((await act(id, { delete: { 'delete-volumes': true } })).status, 202);
    await becomes(`/groups/${id}`, 'group', 'error_deleting');
    await goes(`/volumes/${second}`);
    await volumeBecomes(api, first, 'error_deleting');
    assert.equal((await show(id)).status, 'error_deleting');
    hosts.model.exports.delete(first);
    assert.equal((await act(id, { delete: { 'delete-volumes': true } })).status, 202);
    await goes(`/groups/${id}`);
  });

  it('snapshots of all volumes are one group snapshot, which goes with the last', async () => {
    const { id, volumes } = await makeGroup(3);
    const snapshot = await takeSnapshot(id);
    const path = `/group_snapshots/${snapshot}`;
    await becomes(path, 'group_snapshot', 'available');
    const shown = (await api.call('GET', path)).body.group_snapshot;
    assert.deepEqual([shown.name, shown.group_id, shown.project_id], ['taken', id, undefined]);
    assert.equal((await api.call('GET', path, { as: 'stranger' })).status, 404);
    assert.equal((await api.call('GET', path, { version: 13 })).status, 404);
    const parts = await snapshotsOf(snapshot);
    assert.deepEqual(new Set(parts.map((part: { volume_id: string }) => part.volume_id)), new Set(volumes));
    assert.ok(
      parts.every(
        (part: { status: string; name: string }) => part.status === 'available' && part.name === 'taken',
      ),
    );
    const listed = await api.call('GET', `/group_snapshots/detail?group_id=${id}&limit=1`);
    assert.deepEqual(
      listed.body.group_snapshots.map((each: { id: string }) => each.id),
      [snapshot],
    );

    const one = await api.call('DELETE', `/snapshots/${parts[0].id}`);
    assert.equal(one.status, 400, 'no part of it goes alone');
    const needed = await act(id, { delete: { 'delete-volumes': true } });
    assert.equal(needed.body.badRequest.message, 'Invalid Group: Group has existing snapshots.');
    assert.equal((await api.call('DELETE', path)).status, 202);
    await goes(path);
    assert.deepEqual(await snapshotsOf(snapshot), []);
    assert.equal(hosts.model.snapshots.size, 0);
  });

  it('are made from a group snapshot or from another group, and available with the last volume', async () => {
    const { id, volumes } = await makeGroup(2);
    const snapshot = await takeSnapshot(id);
    await becomes(`/group_snapshots/${snapshot}`, 'group_snapshot', 'available');
    for (const source of [{ group_snapshot_id: snapshot }, { source_group_id: id }]) {
      const { status, body } = await api.call('POST', '/groups/action', {
        body: { 'create-from-src': { name: 'copy', ...source } },
      });
      assert.equal(status, 202, JSON.stringify(body));
      const copy: string = body.group.id;
      await becomes(`/groups/${copy}`, 'group', 'available');
      const group = await show(copy);
      assert.equal(group.volumes.length, volumes.length);
      assert.deepEqual(
        [group.group_snapshot_id, group.source_group_id, group.volume_types],
        [source.group_snapshot_id ?? null, source.source_group_id ?? null, [volumeType]],
      );
      for (const volume of group.volumes) {
        const made = (await api.call('GET', `/volumes/${volume}`)).body.volume;
        assert.equal(made.status, 'available');
        assert.ok(made.snapshot_id !== null || volumes.includes(made.source_volid));
      }
      assert.equal((await act(copy, { delete: { 'delete-volumes': true } })).status, 202);
      await goes(`/groups/${copy}`);
    }
    const empty = await makeGroup(0);
    const refused = await api.call('POST', '/groups/action', {
      body: { 'create-from-src': { source_group_id: empty.id } },
    });
    assert.equal(
      refused.body.badRequest.message,
      'Invalid Group: Source Group is empty. No group will be created.',
    );
    const neither = await api.call('POST', '/groups/action', { body: { 'create-from-src': { name: 'n' } } });
    assert.equal(neither.status, 400);
  });

  it('a group snapshot of which a part fails is in error, and can be deleted', async () => {
    const { id, volumes } = await makeGroup(2);
    const [first = ''] = volumes;
    hosts.model.volumes.delete(first);
    const snapshot = await takeSnapshot(id);
    const path = `/group_snapshots/${snapshot}`;
    await becomes(path, 'group_snapshot', 'error');
    const statuses = (await snapshotsOf(snapshot)).map((part: { status: string }) => part.status);
    assert.deepEqual(statuses.toSorted(), ['available', 'error']);
    assert.equal((await api.call('DELETE', path)).status, 202);
    await goes(path);
  });

  it('count against their quota, and so do the volumes of a copy', async () => {
    const { id } = await makeGroup(1);
    const limit = (quota_set: Record<string, number>) =>
      api.call('PUT', `/os-quota-sets/${PROJECT}`, { as, body: { quota_set } });
    const copy = () =>
      api.call('POST', '/groups/action', { body: { 'create-from-src': { source_group_id: id } } });
    await limit({ groups: 0 });
    const refused = await create();
    assert.equal(refused.status, 413);
    assert.match(refused.body.overLimit.message, /Maximum number of groups allowed \(0\) exceeded/);
    await limit({ groups: -1, volumes: 0 });
    const groups = (await api.call('GET', '/groups')).body.groups.length;
    assert.equal((await copy()).status, 413);
    assert.equal((await api.call('GET', '/groups')).body.groups.length, groups, 'all or nothing');
    await limit({ volumes: -1 });
  });

  it('statuses are reset by administrators, and replication is none of theirs', async () => {
    const { id } = await makeGroup(1);
    for (const status of ['creating', 'error', 'available']) {
      assert.equal((await act(id, { reset_status: { status } }, 'admin')).status, 202);
      assert.equal((await show(id)).status, status);
      if (status !== 'creating') continue;
      const early = await api.call('POST', '/group_snapshots', {
        body: { group_snapshot: { group_id: id } },
      });
      assert.equal(
        early.body.badRequest.message,
        "Invalid Group: Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be created.",
      );
    }
    const wrong = await act(id, { reset_status: { status: 'happy' } }, 'admin');
    assert.match(wrong.body.badRequest.message, /^Invalid Group Status: Group status: happy is invalid/);
    assert.match(
      wrong.body.badRequest.message,
      /valid status are: \('error', 'available', .*'updating', 'in-use', 'error_deleting'\)\.$/,
    );
    assert.equal((await act(id, { reset_status: { status: 'error' } })).status, 403);
    const snapshot = await takeSnapshot(id);
    const reset = await api.call('POST', `/group_snapshots/${snapshot}/action`, {
      as,
      body: { reset_status: { status: 'error' } },
    });
    assert.equal(reset.status, 202);
    assert.equal((await api.call('GET', `/group_snapshots/${snapshot}`)).body.group_snapshot.status, 'error');
    for (const body of [
      { enable_replication: {} },
      { failover_replication: {} },
      { list_replication_targets: {} },
    ]) {
      assert.match((await act(id, body)).body.badRequest.message, /is not a replication group type/);
    }
  });

  it('are listed as Cinder lists them', async () => {
    await makeGroup(0);
    const { id } = await makeGroup(1);
    const moment = await takeSnapshot(id);
    await becomes(`/group_snapshots/${moment}`, 'group_snapshot', 'available');
    const get = async (path: string, who: 'member' | 'admin' = 'member', version = 71) =>
      (await api.call('GET', path, { as: who, version })).body;
    assert.match((await get('/groups/detail?limit=1')).group_links[0].href, /\/groups\?limit=1&marker=/);
    assert.match(
      (await get('/group_snapshots/detail?limit=1')).group_snapshot_links[0].href,
      /\/group_snapshots\?limit=1&marker=/,
    );
    assert.equal(
      (await get('/groups?size=1&status=error&all_tenants=1')).badRequest.message,
      'Invalid filters size,status are found in query options.',
    );
    for (const [path, keys] of [
      ['/groups?limit=1&limit=1', 'limit'],
      ['/group_snapshots?list_volume=true', 'list_volume'],
    ] as const)
      assert.equal(
        (await get(path)).badRequest.message,
        `Invalid filters ${keys} are found in query options.`,
      );
    assert.equal((await get('/groups?list_volume=true&sort=replication_status&limit=1')).groups.length, 1);
    // A list of the caller's own project is that, whatever else is asked for.
    const other = `project_id=${OTHER_PROJECT}`;
    assert.notEqual((await get(`/groups?${other}`, 'admin')).groups.length, 0);
    assert.notEqual((await get(`/groups?${other}`, 'member', 30)).groups.length, 0);
    assert.equal((await get(`/groups?${other}&all_tenants=1`, 'admin')).groups.length, 0);
    const typeless = { group: { name: 'n', group_type: 'nothing', volume_types: ['none'] } };
    assert.equal(
      (await api.call('POST', '/groups', { body: typeless })).body.itemNotFound.message,
      'Volume type with name none could not be found.',
    );
    const said = (await get(`/groups/${id}?list_volume=perhaps`)).badRequest.message;
    assert.equal(said, "Value 'perhaps' for 'list_volume' is not a boolean.");
    const project_id = asId<ProjectId>(OTHER_PROJECT);
    await api.db
      .updateTable('volume_groups')
      .set({ project_id })
      .where('id', '=', asId<GroupId>(id))
      .execute();
    await api.db
      .updateTable('group_snapshots')
      .set({ project_id })
      .where('group_id', '=', asId<GroupId>(id))
      .execute();
    for (const [noun, query, version, seen] of [
      ['groups', '', 71, false],
      ['groups', '?all_tenants=0', 71, true],
      ['group_snapshots', '?all_tenants=0', 71, true],
      ['group_snapshots', '?all_tenants=1', 28, false],
    ] as const) {
      const key = noun === 'groups' ? 'id' : 'group_id';
      const rows: Record<string, string>[] = (await get(`/${noun}/detail${query}`, 'admin', version))[noun];
      assert.equal(
        rows.some((row) => row[key] === id),
        seen,
        `${noun}${query}`,
      );
    }
    assert.equal((await create({ description: 'a smile \u{1F600}' })).status, 400);
  });

  it('a group that is being deleted takes no new volume', async () => {
    const { id } = await makeGroup(0);
    await api.db
      .updateTable('volume_groups')
      .set({ status: 'deleting' })
      .where('id', '=', asId<GroupId>(id))
      .execute();
    const before = await count();
    const volume = { size: 1, volume_type: volumeType, group_id: id };
    const refused = await api.call('POST', '/volumes', { body: { volume } });
    assert.equal(refused.body.badRequest.message, `Invalid Group: Group ${id} is being deleted.`);
    assert.equal(await count(), before);
  });

  async function count(): Promise<number> {
    const rows = await api.db.selectFrom('volumes').select('id').execute();
    return new Set<VolumeId>(rows.map(({ id }) => id)).size;
  }
});
