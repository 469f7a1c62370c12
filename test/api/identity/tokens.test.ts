/** Tokens of the built-in identity service, over HTTP, on two apis that share a database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SECRET_KEY, startApi, type TestApi } from '#test/api/support/api.ts';
import { type Answered, IdentityApi } from '#test/api/support/identity.ts';

/** What an api may believe after another one has changed something. */
const WITHIN_MS = 1_200;
const ALICE = { name: 'alice', password: 'the first one' };

describe('tokens of the built-in identity service', function () {
  this.timeout(20_000);
  let api: TestApi;
  let here: IdentityApi;
  let there: IdentityApi;
  let admin: string;
  let operators: string;
  let project: string;
  let alice: string;

  before(async () => {
    api = await startApi();
    ({ projectId: operators } = await IdentityApi.bootstrap(api));
    here = await IdentityApi.start(api);
    there = await IdentityApi.start(api);
    admin = await here.adminToken(operators);
    project = await made('project', { name: 'p' });
    alice = await made('user', { name: ALICE.name, password: ALICE.password });
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
  const grant = async (role: string): Promise<void> => {
    const path = `/projects/${project}/users/${alice}/roles/${await roleId(role)}`;
    assert.equal((await here.identity('PUT', path, admin)).status, 204);
  };
  const scope = () => ({ project: { id: project } });
  const volumes = (where: IdentityApi, token: string): Promise<Answered> =>
    where.call('GET', `/v3/${project}/volumes`, token);
  const patch = (path: string, body: object): Promise<Answered> => here.identity('PATCH', path, admin, body);

  /** Good in both apis before; good in neither after, at once here and within the time there. */
  const ends = async (token: string, change: () => Promise<Answered>): Promise<void> => {
    assert.equal((await volumes(here, token)).status, 200);
    assert.equal((await volumes(there, token)).status, 200);
    const { status } = await change();
    assert.ok(status < 300, String(status));
    assert.equal((await volumes(here, token)).status, 401);
    await sleep(WITHIN_MS);
    assert.equal((await volumes(there, token)).status, 401);
  };

  it('says in Keystone’s words what it is good for', async () => {
    const { status, body, headers } = await here.logIn(ALICE, scope());
    assert.equal(status, 201);
    const { token } = body;
    assert.deepEqual([token.user.name, token.project.id, token.methods], ['alice', project, ['password']]);
    const roles = token.roles.map((role: { name: string }) => role.name);
    assert.deepEqual(roles.toSorted(), ['member', 'reader']);
    assert.match(token.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const own = headers.get('x-subject-token') ?? '';
    const shown = await here.identity('GET', '/auth/tokens', own, undefined, { 'X-Subject-Token': own });
    assert.deepEqual(shown.body, body);
    const bare = await here.identity('GET', '/auth/tokens?nocatalog', own, undefined, {
      'X-Subject-Token': own,
    });
    assert.equal(bare.body.token.catalog, undefined);
    const head = await here.identity('HEAD', '/auth/tokens', admin, undefined, { 'X-Subject-Token': own });
    assert.equal(head.status, 200);
  });

  it('is exchanged for another scope, and lives no longer for it', async () => {
    const { headers, body } = await here.logIn(ALICE, 'unscoped');
    const unscoped = headers.get('x-subject-token') ?? '';
    assert.deepEqual(
      [body.token.catalog, body.token.roles, body.token.project],
      [undefined, undefined, undefined],
    );
    assert.equal((await volumes(here, unscoped)).status, 400);
    const { body: list } = await here.identity('GET', '/auth/projects', unscoped);
    assert.deepEqual(
      list.projects.map(({ id }: { id: string }) => id),
      [project],
    );
    const auth = { identity: { methods: ['token'], token: { id: unscoped } }, scope: scope() };
    const scoped = await here.identity('POST', '/auth/tokens', undefined, { auth });
    assert.equal(scoped.status, 201);
    assert.equal(scoped.body.token.expires_at, body.token.expires_at);
    assert.deepEqual(scoped.body.token.methods.toSorted(), ['password', 'token']);
    assert.equal((await volumes(here, scoped.headers.get('x-subject-token') ?? '')).status, 200);
    const foreign = { ...auth, scope: { project: { id: operators } } };
    assert.equal((await here.identity('POST', '/auth/tokens', undefined, { auth: foreign })).status, 401);
  });

  it('ends when it is revoked', async () => {
    const token = await here.token(ALICE, scope());
    await ends(token, () =>
      here.identity('DELETE', '/auth/tokens', token, undefined, { 'X-Subject-Token': token }),
    );
    const shown = await here.identity('GET', '/auth/tokens', admin, undefined, { 'X-Subject-Token': token });
    assert.equal(shown.status, 404);
  });

  it('is shown to services, which end nobody’s but their own', async () => {
    const SERVICE = { name: 'nova', password: 'its password' };
    const nova = await made('user', SERVICE);
    const role = `/projects/${project}/users/${nova}/roles/${await roleId('service')}`;
    assert.equal((await here.identity('PUT', role, admin)).status, 204);
    const [own, token] = [await here.token(SERVICE, scope()), await here.token(ALICE, scope())];
    const ask = (method: string, subject: string): Promise<Answered> =>
      here.identity(method, '/auth/tokens', own, undefined, { 'X-Subject-Token': subject });
    assert.equal((await ask('GET', token)).status, 200);
    assert.equal((await ask('DELETE', token)).status, 403);
    assert.equal((await volumes(here, token)).status, 200);
    assert.equal((await ask('DELETE', own)).status, 204);
  });

  it('ends with the user’s password, and another one begins', async () => {
    const token = await here.token(ALICE, scope());
    const user = { password: 'the second one', original_password: ALICE.password };
    await ends(token, () => here.identity('POST', `/users/${alice}/password`, token, { user }));
    assert.equal((await here.logIn(ALICE, scope())).status, 401);
    assert.equal((await patch(`/users/${alice}`, { user: { password: ALICE.password } })).status, 200);
    assert.equal((await volumes(here, await here.token(ALICE, scope()))).status, 200);
  });

  it('ends with its user, its project, and its last role', async () => {
    const disabled = { enabled: false };
    await ends(await here.token(ALICE, scope()), () => patch(`/users/${alice}`, { user: disabled }));
    assert.equal((await here.logIn(ALICE, scope())).status, 401);
    await patch(`/users/${alice}`, { user: { enabled: true } });
    await ends(await here.token(ALICE, scope()), () => patch(`/projects/${project}`, { project: disabled }));
    await patch(`/projects/${project}`, { project: { enabled: true } });
    const role = await roleId('member');
    await ends(await here.token(ALICE, scope()), () =>
      here.identity('DELETE', `/projects/${project}/users/${alice}/roles/${role}`, admin),
    );
    await grant('member');
  });

  it('runs out', async () => {
    let now = Date.now();
    const clock = { now: () => now };
    const settings = { tokenMs: 60_000 };
    await using short = await IdentityApi.start(api, { clock, settings });
    const token = await short.token(ALICE, scope());
    assert.equal((await volumes(short, token)).status, 200);
    now += 60_000;
    assert.equal((await volumes(short, token)).status, 401);
  });

  it('is signed with the first key, and good with any; nobody else’s is', async () => {
    const token = await here.token(ALICE, scope());
    const other = randomBytes(32).toString('hex');
    await using rotated = await IdentityApi.start(api, { masterKeys: `${other},${SECRET_KEY}` });
    await using foreign = await IdentityApi.start(api, { masterKeys: other });
    assert.equal((await volumes(rotated, token)).status, 200);
    assert.equal((await volumes(foreign, token)).status, 401);
    assert.equal((await volumes(foreign, await rotated.token(ALICE, scope()))).status, 200);
    const [claims = '', signature = ''] = token.split('.');
    const said = JSON.parse(Buffer.from(claims, 'base64url').toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...said, scope: ['project', operators] })).toString(
      'base64url',
    );
    for (const text of [`${forged}.${signature}`, `${claims}.`, claims, '.', 'a.b.c', `${token}x`])
      assert.equal((await volumes(here, text)).status, 401, text);
    assert.deepEqual([...here.log, ...rotated.log, ...foreign.log], []);
  });
});
