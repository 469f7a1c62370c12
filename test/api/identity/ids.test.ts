/** Ids that nobody can have: MySQL cannot even compare their characters with those of a column of ids, or passes over what they end with. */
import assert from 'node:assert/strict';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { ADMIN, type Answered, IdentityApi } from '#test/api/support/identity.ts';

const ID = 'é😀';
const IN_PATH = encodeURIComponent(ID);
const ROOT = { name: ADMIN.user, password: ADMIN.password, domain: { id: 'default' } };

describe('ids that nobody can have', function () {
  this.timeout(30_000);
  let api: TestApi;
  let identity: IdentityApi;
  let projectId: string;
  let userId: string;
  let admin: string;
  let bob: string;

  before(async () => {
    api = await startApi();
    ({ projectId, userId } = await IdentityApi.bootstrap(api));
    identity = await IdentityApi.start(api);
    admin = await identity.adminToken(projectId);
    const user = { name: 'bob', password: 'his password' };
    await identity.make('user', user, admin);
    bob = await identity.token(user, 'unscoped');
  });
  after(async () => {
    assert.deepEqual(identity.log, []);
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const ask = (method: string, path: string, body?: object, token = admin): Promise<Answered> =>
    identity.identity(method, path, token, body);

  it('are not found', async () => {
    const role = (await ask('GET', '/roles?name=reader')).body.roles[0].id;
    for (const [method, path] of [
      ['GET', `/users/${IN_PATH}`],
      ['GET', `/groups/${IN_PATH}/users`],
      ['GET', `/projects/${IN_PATH}/tags`],
      ['GET', `/domains/${IN_PATH}`],
      ['GET', `/roles/${IN_PATH}/implies`],
      ['GET', `/users/${IN_PATH}/application_credentials/${IN_PATH}`],
      ['DELETE', `/users/${IN_PATH}/application_credentials/${IN_PATH}`],
      ['PUT', `/OS-INHERIT/domains/${IN_PATH}/groups/${IN_PATH}/roles/${role}/inherited_to_projects`],
    ] as const) {
      const { status, body } = await ask(method, path);
      assert.equal(status, 404, `${method} ${path}: ${JSON.stringify(body)}`);
    }
    assert.equal((await ask('GET', `/projects/${IN_PATH}`, undefined, bob)).status, 403);
  });

  it('are not found, either, where they are somebody’s but for a space at the end', async () => {
    const change = { domain: { description: 'another one’s' } };
    const deny = { domain: { enabled: false } };
    for (const [method, path, body] of [
      ['GET', '/domains/default%20'],
      ['PATCH', '/domains/default%20', change],
      ['PATCH', '/domains/default%20', deny],
      ['DELETE', '/domains/default%20'],
      ['GET', `/projects/${projectId}%20`],
      ['GET', `/users/${userId}%20`],
    ] as const) {
      const answer = await ask(method, path, body);
      assert.equal(answer.status, 404, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    }
    const { domain } = (await ask('GET', '/domains/default')).body;
    assert.deepEqual(
      [domain.id, domain.description, domain.enabled],
      ['default', 'The default domain', true],
    );
  });

  it('are in no list', async () => {
    for (const [noun, query] of [
      ['projects', 'domain_id'],
      ['projects', 'parent_id__icontains'],
      ['users', 'domain_id__startswith'],
      ['groups', 'domain_id__contains'],
      ['role_assignments', 'user.id'],
      ['role_assignments', 'group.id'],
      ['role_assignments', 'scope.domain.id'],
      ['role_assignments', 'effective&scope.project.id'],
    ] as const) {
      const { status, body } = await ask('GET', `/${noun}?${query}=${IN_PATH}`);
      assert.deepEqual([status, body[noun]], [200, []], `${noun} ${query}`);
    }
  });

  it('let nobody in', async () => {
    const byPassword = (user: object, scope?: object) => ({
      identity: { methods: ['password'], password: { user } },
      ...(scope && { scope }),
    });
    for (const auth of [
      byPassword({ ...ROOT, id: ID }),
      byPassword({ ...ROOT, domain: { id: ID } }),
      byPassword(ROOT, { project: { id: ID } }),
      byPassword(ROOT, { domain: { id: ID } }),
      byPassword(ROOT, { project: { name: ADMIN.project, domain: { id: ID } } }),
      {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: ID, secret: 'a guess' },
        },
      },
    ]) {
      const { status, body } = await identity.identity('POST', '/auth/tokens', undefined, { auth });
      assert.equal(status, 401, `${JSON.stringify(auth)}: ${JSON.stringify(body)}`);
    }
  });

  it('are refused for what is made', async () => {
    for (const [noun, fields] of [
      ['user', { default_project_id: ID }],
      ['user', { domain_id: ID }],
      ['project', { parent_id: ID }],
      ['group', { domain_id: ID }],
    ] as const) {
      const { status } = await ask('POST', `/${noun}s`, { [noun]: { name: 'x', ...fields } });
      assert.equal(status, 400, JSON.stringify(fields));
    }
  });
});
