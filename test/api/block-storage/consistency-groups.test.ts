/** Groups by Cinder's older words, which its clients of old still say. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Method } from '#api/http/route.ts';
import { asId, type VolumeId } from '#schema/ids.ts';
import { startApi, type TestApi } from '../support/api.ts';

describe('consistency groups', () => {
  let api: TestApi;
  let group: string;
  let type: string;
  before(async () => {
    api = await startApi();
    const as = 'admin';
    const made = async (path: string, noun: string): Promise<string> =>
      (await api.call('POST', path, { as, body: { [noun]: { name: randomUUID() } } })).body[noun].id;
    const group_type = await made('/group_types', 'group_type');
    type = await made('/types', 'volume_type');
    const wanted = { name: 'g', group_type, volume_types: [type] };
    group = (await api.call('POST', '/groups', { body: { group: wanted } })).body.group.id;
  });
  after(() => api[Symbol.asyncDispose]());

  /** In Cinder's oldest version. */
  const call = (method: Method, path: string, body?: unknown, version = 0) =>
    api.call(method, path, { version, body });
  const refusal = async (body: object, path = '/consistencygroups'): Promise<string> =>
    (await call('POST', path, body)).body.badRequest.message;

  it('are the groups there are', async () => {
    assert.deepEqual((await call('GET', '/consistencygroups')).body, {
      consistencygroups: [{ id: group, name: 'g' }],
    });
    const { body } = await call('GET', '/consistencygroups/detail?limit=1');
    const [detail] = body.consistencygroups;
    assert.deepEqual(Object.keys(detail).toSorted(), [
      'availability_zone',
      'created_at',
      'description',
      'id',
      'name',
      'status',
      'volume_types',
    ]);
    assert.match(body.consistencygroup_links[0].href, /\/consistencygroups\?limit=1&marker=/);
    assert.deepEqual((await call('GET', `/consistencygroups/${group}`)).body, { consistencygroup: detail });
    for (const [query, found] of [
      ['status=available', 1],
      ['status=error', 0],
      ['colour=blue', 0],
    ] as const) {
      const { body: some } = await call('GET', `/consistencygroups?${query}`, undefined, 71);
      assert.equal(some.consistencygroups.length, found, query);
    }
    const { body: none } = await call('GET', '/consistencygroups/nothing');
    assert.equal(none.itemNotFound.message, 'Group nothing could not be found.');
  });

  it("say in Cinder's own words what is wrong, where it is no validator that says so", async () => {
    const nowhere = randomUUID();
    const element = (name: string) => `Missing required element '${name}' in request body.`;
    const noGroup = (id: string) => `Group ${id} could not be found.`;
    const refusals: [Method, string, unknown, number, string][] = [
      ['POST', '/consistencygroups', {}, 400, element('consistencygroup')],
      ['POST', '/consistencygroups', { consistencygroup: null }, 400, element('consistencygroup')],
      [
        'POST',
        '/consistencygroups',
        { consistencygroup: { name: 5 } },
        400,
        'Invalid input received: name is not a string or unicode',
      ],
      [
        'POST',
        '/consistencygroups',
        { consistencygroup: { volume_types: 'nothing,' } },
        404,
        'Volume type with name nothing could not be found.',
      ],
      ['PUT', `/consistencygroups/${group}`, {}, 400, 'Missing request body.'],
      ['PUT', `/consistencygroups/${group}/update`, { x: 1 }, 400, element('consistencygroup')],
      ['PUT', `/consistencygroups/${nowhere}`, { consistencygroup: {} }, 404, noGroup(nowhere)],
      ['POST', `/consistencygroups/${nowhere}/delete`, {}, 404, noGroup(nowhere)],
      [
        'POST',
        `/consistencygroups/${group}/delete`,
        { consistencygroup: { force: 'x' } },
        400,
        "Invalid value 'False' for force.",
      ],
      ['POST', '/consistencygroups/create_from_src', {}, 400, element('consistencygroup-from-src')],
      [
        'POST',
        '/consistencygroups/create_from_src',
        { 'consistencygroup-from-src': { source_cgid: 'x' } },
        404,
        noGroup('x'),
      ],
      ['POST', '/cgsnapshots', {}, 400, element('cgsnapshot')],
      ['POST', '/cgsnapshots', { cgsnapshot: {} }, 400, "'consistencygroup_id' must be specified"],
      ['POST', '/cgsnapshots', { cgsnapshot: { consistencygroup_id: null } }, 404, noGroup('None')],
    ];
    for (const [method, path, body, status, message] of refusals) {
      const answer = await call(method, path, body);
      const [fault] = Object.values(answer.body as Record<string, { message: string }>);
      assert.deepEqual([answer.status, fault?.message], [status, message]);
    }
  });

  it('are renamed, to nothing from 3.6 on', async () => {
    const path = `/consistencygroups/${group}/update`;
    const short = { consistencygroup: { name: 'short' } };
    assert.equal((await call('PUT', `/consistencygroups/${group}`, short)).status, 202);
    const named = { name: ' other ', description: null, add_volumes: null, remove_volumes: null };
    assert.equal((await call('PUT', path, { consistencygroup: named })).status, 202);
    assert.equal((await call('GET', `/consistencygroups/${group}`)).body.consistencygroup.name, 'other');
    const blank = { consistencygroup: { name: '' } };
    assert.match((await call('PUT', path, blank, 5)).body.badRequest.message, /can not be all empty/);
    assert.equal((await call('PUT', path, blank, 6)).status, 202);
    assert.equal((await call('GET', `/consistencygroups/${group}`)).body.consistencygroup.name, '');
  });

  it('promise what no back end keeps, so none is made', async () => {
    const wanted = { name: 'n', user_id: null, project_id: null, status: 'creating' };
    assert.equal(
      await refusal({ consistencygroup: wanted }),
      'volume_types must be provided to create consistency group n.',
    );
    assert.match(await refusal({ consistencygroup: { ...wanted, volume_types: type } }), /at one moment/);
    const path = '/consistencygroups/create_from_src';
    assert.match(await refusal({ 'consistencygroup-from-src': {} }, path), /^Either 'cgsnapshot_id' or/);
    const both = { cgsnapshot_id: randomUUID(), source_cgid: group };
    assert.match(await refusal({ 'consistencygroup-from-src': both }, path), /^Cannot provide both/);
    assert.equal(
      await refusal({ 'consistencygroup-from-src': { source_cgid: group } }, path),
      'Invalid Group: Source Group is empty. No group will be created.',
    );
  });

  /** A volume that the group has, for there is no host here to make one. */
  async function join(): Promise<VolumeId> {
    const body = { volume: { size: 1, volume_type: type, group_id: group } };
    const id = asId<VolumeId>((await call('POST', '/volumes', body, 71)).body.volume.id);
    await api.db
      .updateTable('volumes')
      .set({ status: 'available', operation_id: null })
      .where('id', '=', id)
      .execute();
    return id;
  }
  /** It is gone, and its snapshot was taken. */
  async function leave(id: VolumeId): Promise<void> {
    await api.db.updateTable('operations').set({ state: 'done' }).execute();
    await api.db.updateTable('group_snapshots').set({ status: 'available' }).execute();
    await api.db.deleteFrom('snapshots').where('volume_id', '=', id).execute();
    await api.db
      .updateTable('volumes')
      .set({ group_id: null, operation_id: null })
      .where('id', '=', id)
      .execute();
  }

  it('have snapshots, and go when they have none', async () => {
    const gone = `/consistencygroups/${group}/delete`;
    const wanted = { name: 's', consistencygroup_id: group, status: 'creating' };
    const early = await call('POST', '/cgsnapshots', { cgsnapshot: wanted });
    assert.match(early.body.badRequest?.message, /^Invalid Group: Source group cannot be empty/);
    const volume = await join();
    const made = await call('POST', '/cgsnapshots', { cgsnapshot: wanted });
    assert.equal(made.status, 202, JSON.stringify(made.body));
    const { id } = made.body.cgsnapshot;
    await leave(volume);
    assert.deepEqual(made.body, { cgsnapshot: { id, name: 's' } });
    for (const limit of ['0', '1']) {
      assert.deepEqual((await call('GET', `/cgsnapshots?limit=${limit}`)).body, {
        cgsnapshots: [{ id, name: 's' }],
      });
    }
    const { body } = await call('GET', `/cgsnapshots/${id}`);
    assert.deepEqual(
      [body.cgsnapshot.consistencygroup_id, body.cgsnapshot.status, body.cgsnapshot.description],
      [group, 'available', null],
    );
    assert.deepEqual((await call('GET', '/cgsnapshots/detail')).body, { cgsnapshots: [body.cgsnapshot] });
    assert.equal((await call('POST', gone, { consistencygroup: {} })).status, 400);
    assert.equal((await call('DELETE', `/cgsnapshots/${id}`)).status, 202);
    assert.equal((await call('GET', `/cgsnapshots/${id}`)).status, 404);
    assert.equal((await call('POST', '/cgsnapshots', { cgsnapshot: { name: 's' } })).status, 400);
    assert.equal((await call('POST', gone, { consistencygroup: { force: false } })).status, 202);
    assert.deepEqual((await call('GET', '/consistencygroups')).body, { consistencygroups: [] });
  });
});
