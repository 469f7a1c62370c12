/** What programs log in with, over HTTP, on two apis that share a database. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UserId } from '#schema/ids.ts';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { type Answered, IdentityApi } from '#test/api/support/identity.ts';

/** What an api may believe after another one has changed something. */
const WITHIN_MS = 1_200;
const ALICE = { name: 'alice', password: 'the first one' };

interface Made {
  readonly id: string;
  readonly name: string;
  readonly secret: string;
}

describe('application credentials', function () {
  this.timeout(30_000);
  let api: TestApi;
  let here: IdentityApi;
  let there: IdentityApi;
  let admin: string;
  let operators: string;
  let project: string;
  let alice: string;
  let path: string;

  before(async () => {
    api = await startApi();
    ({ projectId: operators } = await IdentityApi.bootstrap(api));
    here = await IdentityApi.start(api);
    there = await IdentityApi.start(api);
    admin = await here.adminToken(operators);
    project = await made('project', { name: 'p' });
    alice = await made('user', { name: ALICE.name, password: ALICE.password });
    path = `/users/${alice}/application_credentials`;
    await grant('member');
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await there[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const made = (noun: string, fields: object): Promise<string> => here.make(noun, fields, admin);
  const roleId = async (name: string): Promise<string> =>
    (await here.identity('GET', `/roles?name=${name}`, admin)).body.roles[0].id;
  const roleOfAlice = async (method: 'PUT' | 'DELETE', role: string): Promise<Answered> =>
    here.identity(method, `/projects/${project}/users/${alice}/roles/${await roleId(role)}`, admin);
  const grant = async (role: string): Promise<void> => {
    assert.equal((await roleOfAlice('PUT', role)).status, 204);
  };
  const token = (where = here): Promise<string> => where.token(ALICE, { project: { id: project } });

  const ask = (by: string, fields: object): Promise<Answered> =>
    here.identity('POST', path, by, { application_credential: fields });
  const create = async (name: string, fields: object = {}): Promise<Made> => {
    const { status, body } = await ask(await token(), { name, ...fields });
    assert.equal(status, 201, JSON.stringify(body));
    return body.application_credential;
  };
  const logIn = (proof: object, more: object = {}, where = here): Promise<Answered> =>
    where.identity('POST', '/auth/tokens', undefined, {
      auth: { identity: { methods: ['application_credential'], application_credential: proof }, ...more },
    });
  const tokenOf = async ({ id, secret }: Made, where = here): Promise<string> => {
    const { status, headers, body } = await logIn({ id, secret }, {}, where);
    assert.equal(status, 201, JSON.stringify(body));
    return headers.get('x-subject-token') ?? '';
  };
  const volumes = (by: string, where = here): Promise<Answered> =>
    where.call('GET', `/v3/${project}/volumes`, by);
  const names = async (): Promise<string[]> =>
    (await here.identity('GET', path, admin)).body.application_credentials.map((one: Made) => one.name);

  it('are made, listed, shown and deleted; the secret is told once', async () => {
    const mine = await token();
    const fields = { name: 'backup', description: 'nightly', expires_at: '2999-12-31T23:59:59.000000Z' };
    const { status, body } = await ask(mine, { ...fields, roles: [{ name: 'reader' }], access_rules: [] });
    assert.equal(status, 201, JSON.stringify(body));
    const { secret, ...shown } = body.application_credential;
    assert.match(secret, /^[\w-]{43}$/);
    assert.deepEqual(
      [shown.name, shown.description, shown.expires_at, shown.unrestricted, shown.project_id, shown.user_id],
      ['backup', 'nightly', '2999-12-31T23:59:59.000000', false, project, alice],
    );
    assert.deepEqual(
      shown.roles.map(({ name }: { name: string }) => name),
      ['reader'],
    );
    const one = `${path}/${shown.id}`;
    for (const by of [mine, admin]) {
      assert.deepEqual((await here.identity('GET', one, by)).body.application_credential, shown);
      const { body: list } = await here.identity('GET', `${path}?name=backup`, by);
      assert.deepEqual(list.application_credentials, [shown]);
    }
    assert.deepEqual((await here.identity('GET', `${path}?name=x`, mine)).body.application_credentials, []);
    const row = await api.db
      .selectFrom('identity_application_credentials')
      .selectAll()
      .executeTakeFirstOrThrow();
    assert.match(row.secret, /^\$argon2id\$/);
    assert.equal((await ask(mine, { name: 'backup' })).status, 409);
    assert.equal((await here.identity('DELETE', one, mine)).status, 204);
    assert.equal((await here.identity('GET', one, mine)).status, 404);
    assert.equal((await here.identity('DELETE', one, mine)).status, 404);
  });

  it('are asked for in Keystone’s words', async () => {
    const mine = await token();
    for (const [fields, words] of [
      [{ name: '' }, /too short/],
      [{ name: 'x', roles: [{ name: 'admin' }] }, /unassigned role/],
      [{ name: 'x', roles: [{ id: await roleId('admin') }] }, /unassigned role/],
      [{ name: 'x', roles: [{}] }, /an id or a name/],
      [{ name: 'x', expires_at: '2001-01-01T00:00:00' }, /must not be before now/],
      [{ name: 'x', expires_at: 'tomorrow' }, /not in expected format/],
      [
        { name: 'x', access_rules: [{ method: 'GET', path: '/v3', service: 'volumev3' }] },
        /restrict the roles instead/,
      ],
      [{ name: 'x', secret: 5 }, /secret/],
    ] as const) {
      const { status, body } = await ask(mine, fields);
      assert.deepEqual([status, Object.keys(body)], [400, ['error']], JSON.stringify([fields, body]));
      assert.match(body.error.message, words);
    }
    // For somebody else, or for no project, there are none.
    assert.equal((await ask(admin, { name: 'x' })).status, 403);
    assert.equal((await ask(await here.token(ALICE, 'unscoped'), { name: 'x' })).status, 403);
    for (const [method, at] of [
      ['GET', ''],
      ['GET', '/x'],
      ['DELETE', '/x'],
    ] as const) {
      const theirs = `/users/${(await there.identity('GET', '/users?name=root', admin)).body.users[0].id}`;
      const answer = await here.identity(method, `${theirs}/application_credentials${at}`, mine);
      assert.equal(answer.status, 403);
    }
  });

  it('of another user are not to be had by one’s own path', async () => {
    const hers = await create('hers');
    const eve = { name: 'eve', password: 'her password' };
    const id = await made('user', eve);
    await here.identity('PUT', `/projects/${project}/users/${id}/roles/${await roleId('member')}`, admin);
    const evil = await here.token(eve, { project: { id: project } });
    for (const method of ['GET', 'DELETE'])
      assert.equal(
        (await here.identity(method, `/users/${id}/application_credentials/${hers.id}`, evil)).status,
        404,
      );
    // Whoever is named beside the id does not count.
    const { body } = await logIn({ id: hers.id, secret: hers.secret, user: { id } });
    assert.equal(body.token.user.id, alice);
    await tokenOf(hers);
  });

  it('give tokens for their project, with their roles, by id or by name', async () => {
    const reader = await create('reads', { roles: [{ name: 'reader' }], secret: 'chosen by its user' });
    assert.equal(reader.secret, 'chosen by its user');
    const { secret } = reader;
    const domain = { id: 'default' };
    for (const proof of [
      { id: reader.id, secret },
      { name: 'reads', user: { id: alice }, secret },
      { name: 'reads', user: { name: 'alice', domain }, secret },
    ]) {
      const { status, headers, body } = await logIn(proof);
      assert.equal(status, 201, JSON.stringify(body));
      const { token: shown } = body;
      assert.deepEqual(shown.methods, ['application_credential']);
      assert.deepEqual(shown.application_credential, { id: reader.id, name: 'reads', restricted: true });
      assert.deepEqual([shown.user.id, shown.project.id], [alice, project]);
      assert.deepEqual(
        shown.roles.map(({ name }: { name: string }) => name),
        ['reader'],
      );
      assert.ok(shown.catalog.length > 0);
      const own = headers.get('x-subject-token') ?? '';
      assert.equal((await volumes(own, there)).status, 200);
      const volume = { volume: { size: 1 } };
      assert.equal((await here.call('POST', `/v3/${project}/volumes`, own, volume)).status, 403);
      const seen = await here.identity('GET', '/auth/tokens', own, undefined, { 'X-Subject-Token': own });
      assert.deepEqual(seen.body, body);
    }
    for (const [proof, more, status] of [
      [{ id: reader.id, secret: 'wrong' }, {}, 401],
      [{ id: 'none', secret }, {}, 401],
      [{ name: 'reads', user: { name: 'root', domain }, secret }, {}, 401],
      [{ name: 'none', user: { id: alice }, secret }, {}, 401],
      [{ id: reader.id, secret }, { scope: { project: { id: project } } }, 401],
      [{ id: reader.id, secret }, { scope: 'unscoped' }, 401],
      [{ name: 'reads', secret }, {}, 400],
      [{ name: 'reads', user: {}, secret }, {}, 400],
      [{ id: reader.id }, {}, 400],
      [{ secret }, {}, 400],
    ] as const) {
      const answer = await logIn(proof, more);
      assert.equal(answer.status, status, JSON.stringify([proof, answer.body]));
      assert.ok(!JSON.stringify(answer.body).includes(secret));
    }
    const both = {
      methods: ['application_credential', 'password'],
      application_credential: { id: reader.id, secret },
      password: { user: { id: alice, password: ALICE.password } },
    };
    const answer = await here.identity('POST', '/auth/tokens', undefined, { auth: { identity: both } });
    assert.equal(answer.status, 401);
  });

  it('bring no further than they say', async () => {
    const restricted = await tokenOf(await create('restricted'));
    const free = await create('free', { unrestricted: true, roles: [{ name: 'reader' }] });
    const unrestricted = await tokenOf(free);
    assert.equal((await ask(restricted, { name: 'more' })).status, 403);
    assert.equal((await here.identity('DELETE', `${path}/${free.id}`, restricted)).status, 403);
    assert.equal((await here.identity('GET', `${path}/${free.id}`, restricted)).status, 200);
    assert.equal((await ask(unrestricted, { name: 'wider', roles: [{ name: 'member' }] })).status, 400);
    const child = (await ask(unrestricted, { name: 'child' })).body.application_credential;
    assert.deepEqual(
      child.roles.map(({ name }: { name: string }) => name),
      ['reader'],
    );
    assert.equal((await here.identity('DELETE', `${path}/${child.id}`, unrestricted)).status, 204);
    // A token that came of one is exchanged for none.
    for (const id of [restricted, unrestricted])
      for (const more of [{}, { scope: { project: { id: project } } }, { scope: 'unscoped' }]) {
        const auth = { identity: { methods: ['token'], token: { id } }, ...more };
        assert.equal((await here.identity('POST', '/auth/tokens', undefined, { auth })).status, 403);
      }
  });

  it('of an administrator cannot be used on others when they are restricted', async () => {
    const { body } = await here.identity('GET', '/users?name=root', admin);
    const own = `/users/${body.users[0].id}/application_credentials`;
    const answer = await here.identity('POST', own, admin, { application_credential: { name: 'robot' } });
    const robot = await tokenOf(answer.body.application_credential);
    const hers = await create('hers too');
    assert.equal((await here.identity('GET', '/users', robot)).status, 200);
    assert.equal((await here.identity('DELETE', `${path}/${hers.id}`, robot)).status, 403);
    assert.equal((await here.identity('DELETE', `${path}/${hers.id}`, admin)).status, 204);
  });

  it('end their tokens when they are deleted, in every api', async () => {
    const short = await create('short');
    const own = await tokenOf(short);
    for (const where of [here, there]) assert.equal((await volumes(own, where)).status, 200);
    assert.equal((await here.identity('DELETE', `${path}/${short.id}`, await token())).status, 204);
    assert.equal((await volumes(own)).status, 401);
    await sleep(WITHIN_MS);
    assert.equal((await volumes(own, there)).status, 401);
    assert.equal((await logIn({ id: short.id, secret: short.secret })).status, 401);
  });

  it('outlive a new password, and not the user’s being disabled, a role that is lost, or the project', async () => {
    const lasting = await create('lasting');
    const own = await tokenOf(lasting);
    const patch = (at: string, body: object) => here.identity('PATCH', at, admin, body);
    assert.equal((await patch(`/users/${alice}`, { user: { password: ALICE.password } })).status, 200);
    assert.equal((await volumes(own)).status, 401);
    assert.equal((await volumes(await tokenOf(lasting))).status, 200);

    await patch(`/projects/${project}`, { project: { enabled: false } });
    assert.equal((await logIn({ id: lasting.id, secret: lasting.secret })).status, 401);
    await patch(`/projects/${project}`, { project: { enabled: true } });
    await tokenOf(lasting);

    const last = await tokenOf(lasting);
    assert.equal((await roleOfAlice('DELETE', 'member')).status, 204);
    assert.equal((await volumes(last)).status, 401);
    await grant('member');
    assert.equal((await logIn({ id: lasting.id, secret: lasting.secret })).status, 401);
    assert.deepEqual(await names(), []);

    const dancer = await made('role', { name: 'dancer' });
    await grant('dancer');
    await create('dances', { roles: [{ id: dancer }] });
    await create('stays', { roles: [{ name: 'member' }] });
    assert.equal((await here.identity('DELETE', `/roles/${dancer}`, admin)).status, 204);
    assert.deepEqual(await names(), ['stays']);

    await patch(`/users/${alice}`, { user: { enabled: false } });
    await patch(`/users/${alice}`, { user: { enabled: true } });
    assert.deepEqual(await names(), []);

    const other = await made('project', { name: 'q' });
    const member = await roleId('member');
    await here.identity('PUT', `/projects/${other}/users/${alice}/roles/${member}`, admin);
    const there2 = await here.token(ALICE, { project: { id: other } });
    assert.equal((await ask(there2, { name: 'other' })).status, 201);
    assert.equal((await here.identity('DELETE', `/projects/${other}`, admin)).status, 204);
    assert.deepEqual(await names(), []);
  });

  it('go with a role that all projects of a domain inherited, and no others do', async () => {
    const inherit = async (method: string): Promise<void> => {
      const role = `/users/${alice}/roles/${await roleId('reader')}/inherited_to_projects`;
      const { status } = await here.identity(method, `/OS-INHERIT/domains/${domain}${role}`, admin);
      assert.equal(status, 204);
    };
    const domain = await made('domain', { name: 'heirs' });
    const heir = await made('project', { name: 'heir', domain_id: domain });
    await inherit('PUT');
    const before = await names();
    const inherited = await ask(await here.token(ALICE, { project: { id: heir } }), { name: 'inherited' });
    assert.equal(inherited.status, 201);
    await create('elsewhere');
    const own = await tokenOf(inherited.body.application_credential);
    await inherit('DELETE');
    assert.equal((await volumes(own)).status, 401);
    assert.deepEqual(await names(), [...before, 'elsewhere'].toSorted());
    await inherit('PUT');
    const { id, secret } = inherited.body.application_credential;
    assert.equal((await logIn({ id, secret })).status, 401);
  });

  it('run out, and their tokens with them', async () => {
    let now = Date.now();
    await using later = await IdentityApi.start(api, { clock: { now: () => now } });
    const expires_at = new Date(now + 60_000).toISOString().replace('Z', '');
    const brief = await create('brief', { expires_at });
    const { body } = await logIn({ id: brief.id, secret: brief.secret }, {}, later);
    assert.equal(body.token.expires_at.slice(0, 19), expires_at.slice(0, 19));
    const own = await tokenOf(brief, later);
    assert.equal((await volumes(own, later)).status, 200);
    now += 61_000;
    assert.equal((await volumes(own, later)).status, 401);
    assert.equal((await logIn({ id: brief.id, secret: brief.secret }, {}, later)).status, 401);
  });

  it('are locked out by wrong secrets, and their user is not', async () => {
    let now = Date.now();
    const settings = { attempts: 3, lockoutMs: 60_000 };
    await using guarded = await IdentityApi.start(api, { clock: { now: () => now }, settings });
    const { id, secret } = await create('guessed');
    const wrong = () => logIn({ id, secret: 'a guess' }, {}, guarded);
    const right = () => logIn({ id, secret }, {}, guarded);
    for (let i = 0; i < 2; i++) assert.equal((await wrong()).status, 401);
    assert.equal((await right()).status, 201);
    for (let i = 0; i < 3; i++) assert.equal((await wrong()).status, 401);
    assert.equal((await right()).status, 401);
    assert.equal((await guarded.logIn(ALICE)).status, 201);
    now += 61_000;
    assert.equal((await right()).status, 201);
    const user = await api.db
      .selectFrom('identity_users')
      .select('failures')
      .where('id', '=', alice as UserId)
      .executeTakeFirstOrThrow();
    assert.equal(user.failures, 0);
    assert.deepEqual([...here.log, ...there.log, ...guarded.log], []);
  });
});
