/** What a real Keystone (22.0) answered to the same requests. */
import assert from 'node:assert/strict';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { type Answered, IdentityApi } from '#test/api/support/identity.ts';

const BOB = { name: 'bob', password: 'his password' };

describe('the built-in identity service, as Keystone', function () {
  this.timeout(60_000);
  let api: TestApi;
  let identity: IdentityApi;
  let admin: string;
  let home: string;
  let domain: string;
  let project: string;
  let bob: string;

  before(async () => {
    api = await startApi();
    ({ projectId: home } = await IdentityApi.bootstrap(api));
    identity = await IdentityApi.start(api);
    admin = await identity.adminToken(home);
    domain = await made('domain', { name: 'd' });
    project = await made('project', { name: 'p', domain_id: domain });
    bob = await made('user', BOB);
  });
  after(async () => {
    assert.deepEqual(identity.log, []);
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const ask = (method: string, path: string, body?: object, token = admin): Promise<Answered> =>
    identity.identity(method, path, token, body);
  const made = (noun: string, fields: object): Promise<string> => identity.make(noun, fields, admin);
  const refused = async (answer: Promise<Answered>, status: number, words: string): Promise<void> => {
    const { status: found, body } = await answer;
    assert.deepEqual([found, body.error?.message], [status, words]);
  };
  const get = async (path: string, token = admin) => {
    const { status, body } = await ask('GET', path, undefined, token);
    assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
    return body;
  };
  const done = async (method: string, path: string, status = 204): Promise<void> => {
    const answer = await ask(method, path);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  };
  const role = async (name: string): Promise<string> => (await get(`/roles?name=${name}`)).roles[0].id;
  const rolesOf = async (scope: { project: { id: string } }): Promise<string[] | number> => {
    const { status, body } = await identity.logIn(BOB, scope);
    return status === 201 ? body.token.roles.map(({ name }: { name: string }) => name).toSorted() : status;
  };

  it('filters lists by parts of names, too', async () => {
    for (const name of ['one_a', 'One_b', 'onexa']) await made('group', { name });
    const names = async (query: string): Promise<string[]> =>
      (await get(`/groups?${query}`)).groups.map(({ name }: { name: string }) => name);
    assert.deepEqual(await names('name__contains=ne_'), ['One_b', 'one_a']);
    assert.deepEqual(await names('name__startswith=one'), ['one_a', 'onexa']);
    assert.deepEqual(await names('name__istartswith=ONE_'), ['One_b', 'one_a']);
    assert.deepEqual(await names('name__endswith=a&domain_id=default'), ['one_a', 'onexa']);
    assert.deepEqual((await get(`/roles?domain_id=${domain}`)).roles, []);
    assert.deepEqual(
      (await get(`/projects?parent_id=${domain}`)).projects.map(({ id }: { id: string }) => id),
      [project],
    );
  });

  it('keeps what else it is told of a project, and its tags', async () => {
    const id = await made('project', { name: 'tagged', owner: 'bob', tags: ['b', 'a'] });
    const shown = (await get(`/projects/${id}`)).project;
    assert.deepEqual([shown.owner, shown.tags, shown.parent_id], ['bob', ['a', 'b'], 'default']);
    await done('PUT', `/projects/${id}/tags/c`, 201);
    await done('DELETE', `/projects/${id}/tags/a`);
    await done('GET', `/projects/${id}/tags/c`);
    await refused(ask('GET', `/projects/${id}/tags/a`), 404, 'Could not find project tag: a.');
    const found = async (query: string): Promise<string[]> =>
      (await get(`/projects?${query}`)).projects.map(({ name }: { name: string }) => name);
    assert.deepEqual(await found('tags=b,c'), ['tagged']);
    assert.deepEqual(await found('tags=a,c'), []);
    assert.deepEqual(await found('tags-any=a,c'), ['tagged']);
    assert.deepEqual((await found('not-tags-any=b')).includes('tagged'), false);
    const { body } = await ask('PUT', `/projects/${id}/tags`, { tags: ['z'] });
    assert.deepEqual(body.tags, ['z']);
    await done('DELETE', `/projects/${id}/tags`);
    assert.deepEqual((await get(`/projects/${id}/tags`)).tags, []);
    assert.equal((await ask('PUT', `/projects/${id}/tags`, { tags: ['a,b'] })).status, 400);
  });

  it('changes and deletes nothing that is immutable', async () => {
    for (const noun of ['project', 'role', 'domain']) {
      const id = await made(noun, { name: 'stays', enabled: false, options: { immutable: true } });
      const path = `/${noun}s/${id}`;
      assert.deepEqual((await get(path))[noun].options, { immutable: true });
      const words = `immutable ${noun} resource: \`${id}. Set resource option "immutable" to false first.`;
      await refused(ask('DELETE', path), 403, `Unable to delete ${words}`);
      await refused(ask('PATCH', path, { [noun]: { name: 'goes' } }), 403, `Unable to update ${words}`);
      await ask('PATCH', path, { [noun]: { options: { immutable: false } } });
      await done('DELETE', path);
    }
    assert.equal((await ask('DELETE', `/roles/${await role('admin')}`)).status, 403);
  });

  it('says what is wrong in the same words', async () => {
    const nope = { project: { name: 'x', domain_id: 'nope' } };
    await refused(ask('POST', '/projects', nope), 400, 'Could not find domain: nope.');
    const twice = await ask('POST', '/projects', { project: { name: 'p', domain_id: domain } });
    assert.match(twice.body.error.message, /two projects with either the same name or same id .* name is p,/);
    await refused(
      ask('POST', '/domains', { domain: { name: 'd' } }),
      409,
      'Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains with the same name: d.',
    );
    await refused(
      ask('PATCH', `/projects/${project}`, { project: { domain_id: 'default' } }),
      400,
      'Cannot change Domain ID',
    );
    await refused(
      ask('PATCH', `/projects/${project}`, { project: { parent_id: home } }),
      403,
      'Update of `parent_id` is not allowed.',
    );
    await refused(
      ask('DELETE', `/domains/${domain}`),
      403,
      'Cannot delete a domain that is enabled, please disable it first.',
    );
    await refused(
      ask('POST', '/domains', { domain: { name: 'e', explicit_domain_id: 'zz' } }),
      400,
      'Domain ID does not conform to required UUID format.',
    );
    const member = await role('member');
    await refused(
      ask('DELETE', `/projects/${project}/users/${bob}/roles/${member}`),
      404,
      `Could not find role assignment with role: ${member}, user or group: ${bob}, project, domain, or system: ${project}.`,
    );
    for (const [noun, path] of [
      ['project', `/projects/${project}`],
      ['user', `/users/${bob}`],
      ['role', `/roles/${member}`],
      ['domain', `/domains/${domain}`],
    ] as const)
      assert.equal((await ask('PATCH', path, { [noun]: {} })).status, 400, path);
    // Keystone adds the schema that it went by.
    const long = 'x'.repeat(65);
    await refused(
      ask('POST', '/projects', { project: { name: long } }),
      400,
      `Invalid input for field 'name': '${long}' is too long`,
    );
    await refused(
      ask('POST', '/projects', { project: { name: 'x', enabled: 'false' } }),
      400,
      "Invalid input for field 'enabled': 'false' is not of type 'boolean'",
    );
    await refused(ask('POST', '/projects', { project: {} }), 400, "'name' is a required property");
    await refused(
      identity.identity('POST', '/auth/tokens', undefined, {
        auth: { identity: { methods: ['password'], password: { user: { id: bob, password: 3 } } } },
      }),
      400,
      "Invalid input for field 'identity/password/user/password': *** is not of type 'string'",
    );
  });

  it('says with every answer that it depends on the token', async () => {
    for (const path of ['/users', '/nonsense', '/auth/tokens'])
      assert.equal((await ask('GET', path)).headers.get('vary'), 'X-Auth-Token', path);
    const login = await identity.logIn(BOB);
    assert.equal(login.headers.get('vary'), 'X-Auth-Token');
    assert.equal((await ask('GET', '/users', undefined, 'wrong')).headers.get('vary'), 'X-Auth-Token');
  });

  it('lists disabled projects, and makes none in disabled domains', async () => {
    const other = await made('domain', { name: 'other' });
    const inside = await made('project', { name: 'inside', domain_id: other, enabled: false });
    await ask('PATCH', `/users/${bob}`, { user: { default_project_id: inside } });
    await done('PUT', `/projects/${inside}/users/${bob}/roles/${await role('reader')}`);
    const ids = async (query = ''): Promise<string[]> =>
      (await get(`/users/${bob}/projects${query}`)).projects.map(({ id }: { id: string }) => id);
    assert.deepEqual([await ids(), await ids('?enabled')], [[inside], []]);
    await done('DELETE', `/projects/${inside}`);
    assert.equal((await get(`/users/${bob}`)).user.default_project_id, undefined);
    await ask('PATCH', `/domains/${other}`, { domain: { enabled: false } });
    await refused(
      ask('POST', '/projects', { project: { name: 'inside', domain_id: other } }),
      400,
      `cannot create a project in a branch containing a disabled project: ${other}`,
    );
    await done('DELETE', `/domains/${other}`);
  });

  it('refuses what it would not keep to', async () => {
    const below = { project: { name: 'x', parent_id: home } };
    await refused(ask('POST', '/projects', below), 403, `Max hierarchy depth reached for ${home} branch.`);
    const ofDomain = { role: { name: 'x', domain_id: domain } };
    assert.equal((await ask('POST', '/roles', ofDomain)).status, 400);
    const locked = { user: { name: 'x', options: { lock_password: true } } };
    assert.equal((await ask('POST', '/users', locked)).status, 400);
    assert.equal((await ask('POST', '/projects', { project: { name: 'x', is_domain: true } })).status, 400);
  });

  it('has the catalog of a project only', async () => {
    assert.deepEqual(Object.keys((await get('/auth/catalog')).links), ['self']);
    const unscoped = await identity.token(BOB, 'unscoped');
    const words = 'You are not authorized to perform the requested action.';
    await refused(ask('GET', '/auth/catalog', undefined, unscoped), 403, words);
    await refused(ask('GET', '/auth/tokens'), 404, 'No token in the request');
  });

  it('lets nobody in without a method or password', async () => {
    const logIn = (auth: object): Promise<Answered> =>
      identity.identity('POST', '/auth/tokens', undefined, { auth: { identity: auth } });
    const words = 'The request you have made requires authentication.';
    await refused(logIn({ methods: [] }), 401, words);
    await refused(logIn({ methods: ['password'], password: { user: { id: bob } } }), 401, words);
    await refused(
      logIn({ methods: ['saml2'] }),
      401,
      'Attempted to authenticate with an unsupported method.',
    );
  });

  it('has roles that imply others', async () => {
    const [prior, implied, reader] = [
      await made('role', { name: 'r1' }),
      await made('role', { name: 'r2' }),
      await role('reader'),
    ];
    await done('PUT', `/roles/${prior}/implies/${implied}`, 201);
    await done('PUT', `/roles/${implied}/implies/${reader}`, 201);
    await done('HEAD', `/roles/${implied}/implies/${reader}`);
    // Around in a circle.
    await done('PUT', `/roles/${implied}/implies/${prior}`, 201);
    await refused(
      ask('PUT', `/roles/${prior}/implies/${implied}`),
      409,
      'Conflict occurred attempting to store implied_role - Duplicate entry.',
    );
    const root = await role('admin');
    await refused(ask('PUT', `/roles/${prior}/implies/${root}`), 403, `${root} cannot be an implied roles.`);
    await done('PUT', `/projects/${project}/users/${bob}/roles/${prior}`);
    assert.deepEqual(await rolesOf({ project: { id: project } }), ['r1', 'r2', 'reader']);
    const token = await identity.token(BOB, { project: { id: project } });
    await done('DELETE', `/roles/${prior}/implies/${implied}`);
    await refused(
      ask('GET', `/roles/${prior}/implies/${implied}`),
      404,
      `${prior} does not imply ${implied}.`,
    );
    // Of tokens that are out there, too.
    const { body } = await identity.identity('GET', '/auth/tokens', admin, undefined, {
      'X-Subject-Token': token,
    });
    assert.deepEqual(
      body.token.roles.map(({ name }: { name: string }) => name),
      ['r1'],
    );
    const { role_inferences: all } = await get('/role_inferences');
    const told = all.map((rule: { prior_role: { name: string }; implies: { name: string }[] }) => [
      rule.prior_role.name,
      ...rule.implies.map(({ name }) => name),
    ]);
    assert.deepEqual(told, [
      ['admin', 'member'],
      ['member', 'reader'],
      ['r2', 'r1', 'reader'],
    ]);
    await done('DELETE', `/projects/${project}/users/${bob}/roles/${prior}`);
  });

  it('gives roles in all projects of a domain, later ones too', async () => {
    const [member, reader] = [await role('member'), await role('reader')];
    const group = await made('group', { name: 'heirs' });
    await done('PUT', `/groups/${group}/users/${bob}`);
    const inDomain = `/OS-INHERIT/domains/${domain}`;
    const ofBob = `${inDomain}/users/${bob}/roles/${reader}/inherited_to_projects`;
    const ofGroup = `${inDomain}/groups/${group}/roles/${member}/inherited_to_projects`;
    await done('PUT', ofBob);
    await done('GET', ofBob);
    const late = await made('project', { name: 'late', domain_id: domain });
    assert.deepEqual(await rolesOf({ project: { id: late } }), ['reader']);
    assert.equal(await rolesOf({ project: { id: home } }), 401);
    assert.equal((await identity.logIn(BOB, { domain: { id: domain } })).status, 401);
    await done('PUT', ofGroup);
    assert.deepEqual(await rolesOf({ project: { id: project } }), ['member', 'reader']);

    const given = (await get(`/role_assignments?scope.domain.id=${domain}&user.id=${bob}`)).role_assignments;
    assert.deepEqual(
      given.map(({ scope, role }: { scope: object; role: object }) => [scope, role]),
      [[{ domain: { id: domain }, 'OS-INHERIT:inherited_to': 'projects' }, { id: reader }]],
    );
    const { role_assignments: effective } = await get(
      `/role_assignments?user.id=${bob}&scope.project.id=${late}&effective&include_names`,
    );
    type Entry = { role: { name: string }; links: Record<string, string> };
    const at = `${identity.url}/identity/v3`;
    assert.deepEqual(
      effective
        .map(({ role: { name }, links }: Entry) => [name, links])
        .toSorted(
          (a: [string, object], b: [string, object]) => Object.keys(b[1]).length - Object.keys(a[1]).length,
        ),
      [
        [
          'reader',
          {
            assignment: `${at}${ofGroup}`,
            membership: `${at}/groups/${group}/users/${bob}`,
            prior_role: `${at}/prior_role/${reader}/implies/${member}`,
          },
        ],
        ['member', { assignment: `${at}${ofGroup}`, membership: `${at}/groups/${group}/users/${bob}` }],
        ['reader', { assignment: `${at}${ofBob}` }],
      ],
    );
    const own = await identity.token(BOB, { project: { id: late } });
    assert.equal((await get('/auth/projects', own)).projects.length, 2);
    await done('DELETE', ofBob);
    await done('DELETE', ofGroup);
    assert.equal(await rolesOf({ project: { id: late } }), 401);
    assert.equal((await ask('DELETE', ofBob)).status, 404);
  });

  it('takes no filters that contradict each other', async () => {
    for (const [query, words] of [
      ['user.id=a&group.id=b', 'Specify a user or group, not both'],
      ['scope.project.id=a&scope.domain.id=b', 'Specify a domain or project, not both'],
      ['scope.system=all&scope.project.id=b', 'Specify system or project, not both'],
      ['effective&group.id=b', 'Combining effective and group filter will always result in an empty list.'],
      ['include_subtree', 'scope.project.id must be specified if include_subtree is also specified'],
    ] as const)
      await refused(ask('GET', `/role_assignments?${query}`), 400, words);
  });
});
