/** Users who are given roles together, over HTTP. */
import assert from 'node:assert/strict';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { type Answered, IdentityApi, type Scope } from '#test/api/support/identity.ts';

const BOB = { name: 'bob', password: 'his password' };

describe('groups of the built-in identity service', function () {
  this.timeout(30_000);
  let api: TestApi;
  let identity: IdentityApi;
  let admin: string;
  let project: string;
  let bob: string;
  let group: string;
  let member: string;

  before(async () => {
    api = await startApi();
    const { projectId } = await IdentityApi.bootstrap(api);
    identity = await IdentityApi.start(api);
    admin = await identity.adminToken(projectId);
    project = await made('project', { name: 'p' });
    bob = await made('user', BOB);
    group = await made('group', { name: 'builders', description: 'who build' });
    member = (await ask('GET', '/roles?name=member')).body.roles[0].id;
  });
  after(async () => {
    assert.deepEqual(identity.log, []);
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const ask = (method: string, path: string, body?: object): Promise<Answered> =>
    identity.identity(method, path, admin, body);
  const made = (noun: string, fields: object): Promise<string> => identity.make(noun, fields, admin);
  const done = async (method: string, path: string, status = 204): Promise<void> => {
    const answer = await ask(method, path);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  };
  const names = async (path: string): Promise<string[]> => {
    const { status, body } = await ask('GET', path);
    assert.equal(status, 200, JSON.stringify(body));
    const [list] = Object.values(body).filter((value) => Array.isArray(value));
    return (list as { name: string }[]).map(({ name }) => name);
  };
  const inProject = (): Scope => ({ project: { id: project } });
  const rolesIn = async (scope: Scope): Promise<string[] | number> => {
    const { status, body } = await identity.logIn(BOB, scope);
    return status === 201 ? body.token.roles.map(({ name }: { name: string }) => name).toSorted() : status;
  };

  it('are created, listed, shown, changed and deleted', async () => {
    const { body } = await ask('GET', `/groups/${group}`);
    assert.deepEqual(
      [body.group.name, body.group.description, body.group.domain_id],
      ['builders', 'who build', 'default'],
    );
    const other = await made('group', { name: 'others' });
    assert.deepEqual(await names('/groups'), ['builders', 'others']);
    assert.deepEqual(await names('/groups?name=others'), ['others']);
    assert.equal((await ask('POST', '/groups', { group: { name: 'others' } })).status, 409);
    assert.equal((await ask('PATCH', `/groups/${other}`, { group: { name: 'builders' } })).status, 409);
    const changed = await ask('PATCH', `/groups/${other}`, { group: { description: 'new' } });
    assert.deepEqual([changed.body.group.name, changed.body.group.description], ['others', 'new']);
    await done('DELETE', `/groups/${other}`);
    await done('GET', `/groups/${other}`, 404);
  });

  it('have users', async () => {
    const path = `/groups/${group}/users/${bob}`;
    await done('GET', path, 404);
    await done('PUT', path);
    await done('PUT', path);
    await done('GET', path);
    await done('HEAD', path);
    assert.deepEqual(await names(`/groups/${group}/users`), ['bob']);
    assert.deepEqual(await names(`/users/${bob}/groups`), ['builders']);
    await done('DELETE', path);
    await done('DELETE', path, 404);
    await done('PUT', `/groups/${group}/users/nobody`, 404);
    await done('PUT', `/groups/nothing/users/${bob}`, 404);
    assert.deepEqual(await names(`/users/${bob}/groups`), []);
  });

  it('give their users roles, in projects, domains and the system', async () => {
    await done('PUT', `/groups/${group}/users/${bob}`);
    assert.equal(await rolesIn(inProject()), 401);
    for (const [place, scope] of [
      [`/projects/${project}`, inProject()],
      ['/domains/default', { domain: { id: 'default' } }],
      ['/system', { system: { all: true } }],
    ] as const) {
      const grant = `${place}/groups/${group}/roles/${member}`;
      await done('GET', grant, 404);
      await done('PUT', grant);
      await done('GET', grant);
      assert.deepEqual(await names(`${place}/groups/${group}/roles`), ['member']);
      assert.deepEqual(await rolesIn(scope), ['member', 'reader']);
      const token = await identity.token(BOB, scope);
      const own = async (path: string) => (await identity.identity('GET', path, token)).body;
      if (place === '/system') assert.deepEqual((await own('/auth/system')).system, [{ all: true }]);
      else {
        const list = place === '/domains/default' ? 'domains' : 'projects';
        assert.equal((await own(`/auth/${list}`))[list].length, 1);
      }
      await done('DELETE', grant);
      await done('DELETE', grant, 404);
      assert.equal((await identity.identity('GET', '/auth/catalog', token)).status, 401);
      assert.equal(await rolesIn(scope), 401);
    }
  });

  it('are listed with what they may do', async () => {
    await done('PUT', `/projects/${project}/groups/${group}/roles/${member}`);
    const query = `scope.project.id=${project}&include_names`;
    for (const filter of [`group.id=${group}`, query]) {
      const { body } = await ask('GET', `/role_assignments?${filter}&${query}`);
      const [{ links, ...only }, ...more] = body.role_assignments;
      assert.deepEqual(more, []);
      assert.ok(links.assignment.endsWith(`/projects/${project}/groups/${group}/roles/${member}`));
      const domain = { id: 'default', name: 'Default' };
      assert.deepEqual(only, {
        group: { id: group, name: 'builders', domain },
        role: { id: member, name: 'member' },
        scope: { project: { id: project, name: 'p', domain } },
      });
    }
    const { body } = await ask('GET', `/role_assignments?user.id=${bob}`);
    assert.deepEqual(body.role_assignments, []);
    // A role that a user has twice is one role.
    await done('PUT', `/projects/${project}/users/${bob}/roles/${member}`);
    assert.deepEqual(await rolesIn(inProject()), ['member', 'reader']);
    await done('DELETE', `/projects/${project}/users/${bob}/roles/${member}`);
    assert.deepEqual(await rolesIn(inProject()), ['member', 'reader']);
  });

  it('end tokens, and keep application credentials waiting, when they let a user go', async () => {
    const token = await identity.token(BOB, inProject());
    const path = `/users/${bob}/application_credentials`;
    const made = await identity.identity('POST', path, token, { application_credential: { name: 'robot' } });
    assert.equal(made.status, 201);
    const { id, secret } = made.body.application_credential;
    const auth = {
      identity: { methods: ['application_credential'], application_credential: { id, secret } },
    };
    const robot = async () => (await identity.identity('POST', '/auth/tokens', undefined, { auth })).status;
    assert.equal(await robot(), 201);
    await done('DELETE', `/groups/${group}/users/${bob}`);
    assert.equal((await identity.call('GET', `/v3/${project}/volumes`, token)).status, 401);
    assert.equal(await robot(), 401);
    await done('PUT', `/groups/${group}/users/${bob}`);
    assert.equal(await robot(), 201);
    await done('DELETE', `/groups/${group}`);
    assert.equal(await robot(), 401);
    assert.equal(await rolesIn(inProject()), 401);
  });
});
