import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asId, type VolumeTypeId } from '#schema/ids.ts';
import { type Answer, OTHER_PROJECT, PROJECT, startApi, type TestApi } from '../support/api.ts';

describe('volume types', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const as = 'admin' as const;
  async function makeType(type: Record<string, unknown> = {}): Promise<string> {
    const body = { volume_type: { name: randomUUID(), ...type } };
    return (await api.call('POST', '/types', { as, body })).body.volume_type.id;
  }
  const makeVolume = (volume: Record<string, unknown>, who: 'member' | 'stranger' = 'member') =>
    api.call('POST', '/volumes', { as: who, body: { volume: { size: 1, ...volume } } });
  const names = ({ body }: Answer): string[] => body.volume_types.map(({ name }: { name: string }) => name);

  it('a private type is for the projects that were given it', async () => {
    const name = `private ${randomUUID()}`;
    const id = await makeType({ name, 'os-volume-type-access:is_public': false });
    const act = (body: Record<string, unknown>) => api.call('POST', `/types/${id}/action`, { as, body });
    assert.equal((await makeVolume({ volume_type: id })).status, 404);
    assert.equal((await act({ addProjectAccess: { project: PROJECT } })).status, 202);
    const twice = await act({ addProjectAccess: { project: PROJECT } });
    assert.equal(twice.status, 409);
    assert.equal(
      twice.body.conflictingRequest.message,
      `Volume type access for ${id} / ${PROJECT} combination already exists.`,
    );
    assert.deepEqual((await api.call('GET', `/types/${id}/os-volume-type-access`, { as })).body, {
      volume_type_access: [{ volume_type_id: id, project_id: PROJECT }],
    });

    assert.equal((await api.call('GET', `/types/${id}`)).status, 200);
    assert.ok(names(await api.call('GET', '/types')).includes(name));
    assert.equal((await makeVolume({ volume_type: name })).status, 202);
    assert.equal((await api.call('GET', `/types/${id}`, { as: 'stranger' })).status, 404);
    assert.ok(!names(await api.call('GET', '/types', { as: 'stranger' })).includes(name));
    const theirs = await makeVolume({ volume_type: name }, 'stranger');
    assert.equal(theirs.status, 404);
    assert.equal(theirs.body.itemNotFound.message, `Volume type with name ${name} could not be found.`);

    assert.equal((await act({ removeProjectAccess: { project: PROJECT } })).status, 202);
    assert.equal((await act({ removeProjectAccess: { project: PROJECT } })).status, 404);
    assert.equal((await makeVolume({ volume_type: id })).status, 404);
    for (const body of [{ addProjectAccess: { project: PROJECT } }, { removeProjectAccess: {} }]) {
      assert.equal((await api.call('POST', `/types/${id}/action`, { body })).status === 202, false);
    }
  });

  it('access to a public type is nothing that can be given', async () => {
    const id = await makeType();
    const list = await api.call('GET', `/types/${id}/os-volume-type-access`, { as });
    assert.equal(list.status, 404);
    const body = { addProjectAccess: { project: PROJECT } };
    const refused = await api.call('POST', `/types/${id}/action`, { as, body });
    assert.match(refused.body.badRequest.message, /not applicable to public volume type\.$/);
  });

  it('are listed by what they are, what they say, and in order, a page at a time', async () => {
    const mark = randomUUID();
    const made = await Promise.all(
      ['b', 'a', 'c'].map((letter) =>
        makeType({
          name: `${letter} ${mark}`,
          description: mark,
          'os-volume-type-access:is_public': letter !== 'c',
          extra_specs: { multiattach: letter === 'a' ? '<is> True' : '<is> False', secret: letter },
        }),
      ),
    );
    const admin = (query: string) => api.call('GET', `/types?description=${mark}&${query}`, { as });
    assert.deepEqual(names(await admin('sort=name:asc')), [`a ${mark}`, `b ${mark}`]);
    assert.deepEqual(names(await admin('is_public=None&sort=name:desc')), [
      `c ${mark}`,
      `b ${mark}`,
      `a ${mark}`,
    ]);
    assert.deepEqual(names(await admin('is_public=false')), [`c ${mark}`]);
    const page = await admin('sort=name:asc&limit=1');
    assert.deepEqual(names(page), [`a ${mark}`]);
    const next = new URL(page.body.volume_type_links[0].href).searchParams;
    assert.equal(next.get('marker'), made[1]);
    assert.deepEqual(names(await admin(`sort=name:asc&limit=1&marker=${made[1]}`)), [`b ${mark}`]);
    assert.deepEqual(names(await admin("extra_specs={'secret':'b'}")), [`b ${mark}`]);

    const specs = (text: string, version = 71) =>
      api.call('GET', `/types?extra_specs=${encodeURIComponent(text)}`, { version });
    assert.ok(names(await specs("{'multiattach':'<is> True'}")).includes(`a ${mark}`));
    assert.ok(!names(await specs("{'multiattach':'<is> True'}")).includes(`b ${mark}`));
    assert.deepEqual(names(await specs("{'secret':'b'}")), [], 'what only administrators see');
    assert.ok(names(await specs("{'secret':'b'}", 51)).includes(`a ${mark}`), 'no filter before 3.52');
    // Of a key that comes twice only the first pages.
    for (const [query, keys] of [
      ['colour=red', 'colour'],
      ['colour=red&colour=blue&x=y', 'colour,colour,x'],
      ['limit=1&limit=2', 'limit'],
      ['with_count=true', 'with_count'],
    ])
      assert.equal(
        (await api.call('GET', `/types?${query}`)).body.badRequest.message,
        `Invalid filters ${keys} are found in query options.`,
      );
    assert.equal((await api.call('GET', '/types?all_tenants=1&limit=1')).status, 200);
    assert.deepEqual(names(await api.call('GET', '/types?limit=1&limit=2', { as })), []);
    assert.equal((await api.call('GET', '/types?sort=qos_specs_id', { as })).status, 200);
    assert.equal((await api.call('GET', '/types?colour=red', { version: 51 })).status, 200);
    const wrong = await api.call('GET', '/types?is_public=perhaps', { as });
    assert.equal(wrong.body.badRequest.message, 'Invalid is_public filter [perhaps]');
    const everything = await api.call('GET', '/types');
    assert.deepEqual((await api.call('GET', `/types?marker=${randomUUID()}`)).body, everything.body);
    const offset = await api.call('GET', '/types?offset=x');
    assert.equal(offset.body.badRequest.message, 'offset must be an integer');
  });

  it("says in Cinder's words what is wrong with a type, and shows who may see what", async () => {
    const id = await makeType();
    const refusals: [
      path: string,
      method: 'POST' | 'PUT' | 'DELETE',
      body: unknown,
      status: number,
      message: string,
    ][] = [
      [
        '/types',
        'POST',
        { volume_type: { name: '' } },
        400,
        "Invalid input for field/attribute name. Value: . '' is too short",
      ],
      [
        '/types',
        'POST',
        { volume_type: { name: ' ' } },
        400,
        "An invalid 'name' value was provided. The 'name' can not be empty.",
      ],
      [`/types/${id}/extra_specs/a`, 'PUT', {}, 400, '{} does not have enough properties'],
      [
        `/types/${id}/extra_specs/a`,
        'PUT',
        { a: '1', b: '2' },
        400,
        "{'a': '1', 'b': '2'} has too many properties",
      ],
      [
        `/types/${id}/extra_specs`,
        'POST',
        { extra_specs: { multiattach: '<is> True', cacheable: '<is> True' } },
        400,
        'cacheable cannot be set with multiattach.',
      ],
      [
        `/types/${id}/encryption`,
        'POST',
        { encryption: { provider: 'luks', control_location: 'front-end', key_size: 'x' } },
        400,
        'Invalid input received: key_size must be an integer.',
      ],
      [
        '/types/nothing/encryption/x',
        'DELETE',
        undefined,
        404,
        'Volume type encryption for type nothing does not exist.',
      ],
    ];
    for (const [path, method, body, status, message] of refusals) {
      const answer = await api.call(method, path, { as, ...(body !== undefined && { body }) });
      const [fault] = Object.values(answer.body as Record<string, { message: string }>);
      assert.deepEqual([answer.status, fault?.message], [status, message]);
    }
    const field = 'os-volume-type-access:is_public';
    const shows = async (path: string, who: 'admin' | 'member' | 'reader') =>
      Object.hasOwn((await api.call('GET', path, { as: who })).body.volume_type as object, field);
    assert.deepEqual(
      [
        await shows(`/types/${id}`, 'admin'),
        await shows(`/types/${id}`, 'member'),
        await shows(`/types/${id}`, 'reader'),
      ],
      [true, true, false],
    );
    assert.equal(await shows('/types/default', 'admin'), false);
  });

  it("a project's default type is that of its volumes for which none is asked", async () => {
    const id = await makeType({ name: 'the default' });
    const put = (project: string, type: string) =>
      api.call('PUT', `/default-types/${project}`, { as, body: { default_type: { volume_type: type } } });
    assert.deepEqual((await put(PROJECT, 'the default')).body, {
      default_type: { project_id: PROJECT, volume_type_id: id },
    });
    const missing = await put(PROJECT, 'no such type');
    assert.equal(missing.body.badRequest.message, 'Volume type with name no such type could not be found.');
    assert.equal((await makeVolume({})).body.volume.volume_type, 'the default');
    assert.equal((await makeVolume({}, 'stranger')).body.volume.volume_type, '__DEFAULT__');
    assert.equal((await api.call('GET', '/types/default')).body.volume_type.id, id);
    const second = await makeType();
    assert.equal((await put(PROJECT, second)).body.default_type.volume_type_id, second);
    assert.equal((await put(OTHER_PROJECT, id)).status, 200);
    const all = await api.call('GET', '/default-types', { as });
    assert.deepEqual(
      new Set(all.body.default_types.map((each: { project_id: string }) => each.project_id)),
      new Set([PROJECT, OTHER_PROJECT]),
    );
    const used = await api.call('DELETE', `/types/${second}`, { as });
    assert.equal(
      used.body.badRequest.message,
      `The volume type ${second} is a default volume type and cannot be deleted.`,
    );
    assert.equal((await api.call('GET', '/default-types')).status, 403);
    assert.equal((await api.call('GET', '/default-types', { as, version: 61 })).status, 404);
    assert.equal((await api.call('DELETE', `/default-types/${PROJECT}`, { as })).status, 204);
    const none = await api.call('GET', `/default-types/${PROJECT}`, { as });
    assert.equal(none.body.itemNotFound.message, `Default type for project ${PROJECT} not found.`);
    assert.equal((await api.call('DELETE', `/types/${second}`, { as })).status, 202);
  });

  it("the installation's own default type is called __DEFAULT__, and stays", async () => {
    const { id, name } = (await api.call('GET', '/types/default')).body.volume_type;
    assert.equal(name, '__DEFAULT__');
    assert.equal((await makeVolume({})).body.volume.volume_type, '__DEFAULT__');
    assert.equal((await api.call('DELETE', `/types/${id}`, { as })).status, 400);
    const renamed = { volume_type: { name: randomUUID() } };
    await api.call('PUT', `/types/${id}`, { as, body: renamed });
    assert.equal((await api.call('GET', '/types/default')).status, 404);
    assert.equal((await makeVolume({})).body.volume.volume_type, null);
    await api.call('PUT', `/types/${id}`, { as, body: { volume_type: { name: '__DEFAULT__' } } });
    assert.equal((await makeVolume({})).body.volume.volume_type, '__DEFAULT__');
  });

  it('keep specs that are null', async () => {
    const body = { volume_type: { name: randomUUID(), extra_specs: { key: null, other: '' } } };
    const { volume_type: made } = (await api.call('POST', '/types', { as, body })).body;
    assert.deepEqual(made.extra_specs, { key: null, other: '' });
    const specs = `/types/${made.id}/extra_specs`;
    const put = await api.call('PUT', `${specs}/other`, { as, body: { other: null } });
    assert.deepEqual(put.body, { other: null });
    assert.deepEqual((await api.call('GET', specs, { as })).body.extra_specs, { key: null, other: null });
    const { body: pools } = await api.call('GET', `/scheduler-stats/get_pools?volume_type=${made.id}`, {
      as,
    });
    assert.deepEqual(pools.pools, []);
    assert.deepEqual((await api.call('GET', '/types?all_tenants=1', { as })).body.volume_types, []);
  });

  it('have a record of how their volumes are to be encrypted', async () => {
    const id = await makeType();
    const path = `/types/${id}/encryption`;
    assert.deepEqual((await api.call('GET', path, { as })).body, {});
    const wanted = {
      provider: 'luks',
      key_size: 256,
      cipher: 'aes-xts-plain64',
      control_location: 'front-end',
    };
    const more = { ...wanted, note: 'sent back and not kept' };
    const made = await api.call('POST', path, { as, body: { encryption: more } });
    assert.equal(made.status, 200);
    const { volume_type_id, encryption_id, ...rest } = made.body.encryption;
    assert.deepEqual([volume_type_id, rest], [id, more]);
    const again = await api.call('POST', path, { as, body: { encryption: wanted } });
    assert.equal(again.body.badRequest.message, `Volume type encryption for type ${id} already exists.`);
    const shown = (await api.call('GET', path, { as })).body;
    assert.deepEqual([shown.encryption_id, shown.key_size, shown.deleted], [encryption_id, 256, false]);
    const changed = await api.call('PUT', `${path}/${encryption_id}`, {
      as,
      body: { encryption: { key_size: '128', control_location: 'back-end' } },
    });
    assert.deepEqual(changed.body, { encryption: { key_size: 128, control_location: 'back-end' } });
    assert.deepEqual((await api.call('GET', `${path}/cipher`, { as })).body, { cipher: 'aes-xts-plain64' });
    assert.equal((await api.call('GET', `${path}/colour`, { as })).status, 404);
    assert.equal((await api.call('GET', path)).status, 403);
    assert.equal((await api.call('DELETE', `${path}/${encryption_id}`, { as })).status, 202);
    assert.deepEqual((await api.call('GET', path, { as })).body, {});
    const missing = await api.call('DELETE', `${path}/${encryption_id}`, { as });
    assert.equal(missing.body.itemNotFound.message, `Volume type encryption for type ${id} does not exist.`);

    const { volume } = (await makeVolume({ volume_type: await makeType() })).body;
    await api.db
      .updateTable('volumes')
      .set({ status: 'available', pool: asId('stor1@files#files') })
      .where('id', '=', volume.id)
      .execute();
    const retype = { 'os-retype': { new_type: id } };
    const retyped = await api.call('POST', `/volumes/${volume.id}/action`, { as, body: retype });
    assert.equal(retyped.status, 202, JSON.stringify(retyped.body));
    const about = await api.call('POST', path, { as, body: { encryption: wanted } });
    assert.equal(about.body.badRequest?.message, 'Cannot create encryption specs. Volume type in use.');
    await api.db.updateTable('operations').set({ state: 'undone' }).execute();
    assert.equal((await api.call('POST', path, { as, body: { encryption: wanted } })).status, 200);
    assert.equal((await api.call('DELETE', `${path}/any`, { as })).status, 202);

    await makeVolume({ volume_type: id });
    const used = await api.call('POST', path, { as, body: { encryption: wanted } });
    assert.equal(used.body.badRequest.message, 'Cannot create encryption specs. Volume type in use.');
  });

  it('a default type that asks for encryption since a moment ago gets no plain volume', async () => {
    const id = await makeType();
    const body = { default_type: { volume_type: id } };
    await api.call('PUT', `/default-types/${PROJECT}`, { as, body });
    assert.equal(
      (await api.call('GET', '/types/default')).body.volume_type.id,
      id,
      'remembered from here on',
    );
    // By another api.
    await api.db
      .insertInto('volume_type_encryptions')
      .values({
        volume_type_id: asId<VolumeTypeId>(id),
        encryption_id: randomUUID(),
        provider: 'luks',
        control_location: 'front-end',
        cipher: null,
        key_size: null,
        created_at: '2026-01-01 00:00:00',
        updated_at: null,
      })
      .execute();
    assert.equal((await makeVolume({})).status, 409);
    const made = await makeVolume({});
    assert.deepEqual([made.status, made.body.volume.encrypted], [202, true]);
    await api.call('DELETE', `/default-types/${PROJECT}`, { as });
  });

  it('replies about a new or changed type have what Cinder tells then', async () => {
    const body = { volume_type: { name: randomUUID() } };
    const created = (await api.call('POST', '/types', { as, body })).body.volume_type;
    const plain = ['id', 'name', 'is_public', 'description', 'extra_specs'];
    const shared = 'os-volume-type-access:is_public';
    assert.deepEqual(Object.keys(created).toSorted(), [...plain, shared].toSorted());
    const path = `/types/${created.id}`;
    const updated = await api.call('PUT', path, { as, body: { volume_type: { description: 'd' } } });
    assert.deepEqual(Object.keys(updated.body.volume_type).toSorted(), plain.toSorted());
    const shown = (await api.call('GET', path, { as })).body.volume_type;
    assert.deepEqual(Object.keys(shown).toSorted(), [...plain, shared, 'qos_specs_id'].toSorted());
  });
});
