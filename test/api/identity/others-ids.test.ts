/** What one user guesses of another's, on every route of the built-in identity service, and fields that are not his to set. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ALL_TARGETS, type Target } from '#test/api/security/support/surface.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { IdentityApi } from '../support/identity.ts';

const EVE = { name: 'eve', password: 'her password' };
const MAX = { name: 'max', password: 'his password' };

/** What stands before an id in a path; the rest are parts of these, or of everybody's. */
const NOUNS = ['users', 'projects', 'domains', 'groups', 'roles', 'application_credentials'] as const;
type Ids = Readonly<Record<(typeof NOUNS)[number], string>>;

const PARTS: Readonly<Record<string, string>> = { tag: 'tag' };

const TARGETS = ALL_TARGETS.filter(
  ({ service, parts }) =>
    service === 'identity' && parts.some((_, at) => NOUNS.some((noun) => isId(parts, at, noun))),
);

function isId(parts: readonly string[], at: number, noun: string): boolean {
  // Implied roles stand behind another word.
  const before = parts[at - 1] === 'implies' ? 'roles' : parts[at - 1];
  return before === noun && parts[at]?.startsWith('{') === true;
}

function pathOf({ parts }: Target, ids: Ids): string {
  return `/${parts
    .map((part, at) => {
      const noun = NOUNS.find((one) => isId(parts, at, one));
      if (noun !== undefined) return ids[noun];
      if (!part.startsWith('{')) return part;
      const within = PARTS[part.slice(1, -1)];
      assert.ok(within !== undefined, `/${parts.join('/')}: what is ${part}?`);
      return within;
    })
    .join('/')}`;
}

/** Good bodies, so that nobody is refused for another reason. */
const BODIES: Readonly<Record<string, object>> = {
  'identity POST /users/{id}/password': {
    user: { password: 'another one', original_password: EVE.password },
  },
  'identity POST /users/{id}/application_credentials': { application_credential: { name: 'guess' } },
};

describe('another user’s ids', function () {
  this.timeout(30_000);
  let api: TestApi;
  let identity: IdentityApi;
  let token: string;
  let max: string;
  let theirs: Ids;
  let own: { readonly project: string; readonly other: string; readonly admin: string };
  const nobodys = Object.fromEntries(
    NOUNS.map((noun) => [noun, randomUUID().replaceAll('-', '')]),
  ) as unknown as Ids;

  before(async () => {
    api = await startApi();
    const { projectId } = await IdentityApi.bootstrap(api);
    identity = await IdentityApi.start(api);
    const admin = await identity.adminToken(projectId);
    const roles = (await identity.identity('GET', '/roles', admin)).body.roles as {
      id: string;
      name: string;
    }[];
    const role = (name: string): string => roles.find((each) => each.name === name)?.id ?? '';
    const make = (noun: string, fields: object) => identity.make(noun, fields, admin);
    const member = async (user: string, project: string) => {
      const path = `/projects/${project}/users/${user}/roles/${role('member')}`;
      assert.equal((await identity.identity('PUT', path, admin)).status, 204);
    };
    const [project, other] = [
      await make('project', { name: 'his' }),
      await make('project', { name: 'hers' }),
    ];
    const eve = await make('user', EVE);
    max = await make('user', MAX);
    await member(max, project);
    await member(eve, other);
    const hers = await identity.token(EVE, { project: { id: other } });
    const credential = await identity.identity('POST', `/users/${eve}/application_credentials`, hers, {
      application_credential: { name: 'hers' },
    });
    theirs = {
      users: eve,
      projects: other,
      domains: await make('domain', { name: 'theirs' }),
      groups: await make('group', { name: 'theirs' }),
      roles: role('admin'),
      application_credentials: credential.body.application_credential.id,
    };
    own = { project, other, admin: role('admin') };
    token = await identity.token(MAX, { project: { id: project } });
  });
  after(async () => {
    assert.deepEqual(identity.log, []);
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const ask = async (target: Target, ids: Ids) => {
    const { method, body } = target.route;
    const sent = body === undefined ? undefined : (BODIES[target.key] ?? {});
    const { status, body: said } = await identity.identity(method, pathOf(target, ids), token, sent);
    let text = JSON.stringify(said) ?? '';
    for (const noun of NOUNS) text = text.replaceAll(ids[noun], 'ID');
    return { status, text: text.replaceAll(/req-[0-9a-f-]{36}/g, 'REQUEST') };
  };

  for (const target of TARGETS) {
    it(`are refused as ids of nobody are: ${target.key}`, async () => {
      const told = await ask(target, theirs);
      assert.ok([403, 404].includes(told.status), `${told.status} ${told.text}`);
      assert.deepEqual(told, await ask(target, nobodys));
    });
  }

  it('are let in where they are one’s own', async () => {
    for (const path of [
      `/users/${max}`,
      `/users/${max}/projects`,
      `/users/${max}/groups`,
      `/users/${max}/application_credentials`,
      `/projects/${own.project}`,
      `/projects/${own.project}/tags`,
    ])
      assert.equal((await identity.identity('GET', path, token)).status, 200, path);
  });

  it('nor does an application credential take more than its user has', async () => {
    const path = `/users/${max}/application_credentials`;
    for (const planted of [
      { project_id: own.other },
      { user_id: theirs.users },
      { roles: [{ id: own.admin }] },
      { roles: [{ name: 'admin' }] },
      { id: theirs.application_credentials },
      { system: 'all' },
    ]) {
      const { status, body } = await identity.identity('POST', path, token, {
        application_credential: { name: randomUUID(), ...planted },
      });
      if (status >= 400) continue;
      const made = body.application_credential as {
        id: string;
        project_id: string;
        roles: { name: string }[];
      };
      assert.deepEqual(
        [made.project_id, made.roles.some(({ name }) => name === 'admin')],
        [own.project, false],
        JSON.stringify(planted),
      );
      assert.notEqual(made.id, theirs.application_credentials);
    }
    const shown = await identity.identity('GET', path, token);
    for (const { project_id } of shown.body.application_credentials) assert.equal(project_id, own.project);
  });
});
