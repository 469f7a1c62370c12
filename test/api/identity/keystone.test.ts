/** A real Keystone gives out the tokens. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { createKeystoneAuthenticator } from '#api/auth/keystone/authenticator.ts';
import { createApi } from '#api/server.ts';
import { registerAtKeystone } from '#stack/keystone-account.ts';
import { type KeystoneServer, startKeystone } from '#stack/servers/keystone.ts';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { createDatabase } from '#test/support/database.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { expiredToken } from './expired-token.ts';

const PASSWORD = 'of-the-administrator';
const SERVICE_PASSWORD = 'of-the-service';
const CACHE_MS = 1_000;
const REGION = 'blockyard';
const DOMAIN = { id: 'default' };

// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

describe('tokens of a real Keystone', function () {
  // Python starts slowly, and its scrypt and bcrypt are thorough.
  this.timeout(480_000);
  let dir: string;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let keystone: KeystoneServer;
  let api: TestApi;
  let server: Server;
  let url: string;
  let admin: string;
  let operators: string;
  const log: string[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-keystone-'));
    [database, api] = await Promise.all([createDatabase(), startApi()]);
    keystone = await startKeystone({ dir, password: PASSWORD, region: REGION, databaseUrl: database.url });
    const login = { user: 'admin', password: PASSWORD, project: 'admin', domain: 'Default' };
    const account = { url: keystone.url, admin: login, servicePassword: SERVICE_PASSWORD, region: REGION };
    await registerAtKeystone({ ...account, apiUrl: 'http://127.0.0.1:1' });
    const authenticator = createKeystoneAuthenticator(
      {
        account: {
          authUrl: keystone.url,
          username: 'blockyard',
          password: SERVICE_PASSWORD,
          project: 'service',
          userDomain: 'Default',
          projectDomain: 'Default',
        },
        cacheMs: CACHE_MS,
        roles: { admin: ['admin'], member: ['member', 'dancer'], reader: ['reader'], service: ['service'] },
      },
      api.app.clock,
    );
    const app = { ...api.app, keystoneUrl: keystone.url };
    server = createApi(app, { authenticator, log: (line) => log.push(line) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    ({ token: admin, project: operators } = await logIn('admin', PASSWORD, {
      name: 'admin',
      domain: DOMAIN,
    }));
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await keystone.stop();
    const name = `${new URL(database.url).pathname.slice(1)}_keystone`;
    await sql`DROP DATABASE IF EXISTS ${sql.id(name)}`.execute(api.db);
    await database.drop();
    await api[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const ask = async (method: string, path: string, body?: object, headers: object = {}) => {
    const answer = await fetch(`${keystone.url}${path}`, {
      method,
      headers: { 'X-Auth-Token': admin, 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.text();
    const told: Json = text === '' ? undefined : JSON.parse(text);
    return { answer, body: told };
  };
  const logIn = async (name: string, password: string, project: object) => {
    const user = { name, password, domain: DOMAIN };
    const auth = { identity: { methods: ['password'], password: { user } }, scope: { project } };
    const { answer, body } = await ask('POST', '/auth/tokens', { auth }, { 'X-Auth-Token': '' });
    assert.equal(answer.status, 201, JSON.stringify(body));
    return { token: answer.headers.get('x-subject-token') ?? '', project: body.token.project.id as string };
  };
  const newUser = async (name: string, role: string) => {
    const project = (await ask('POST', '/projects', { project: { name: `of-${name}` } })).body.project.id;
    const user = (await ask('POST', '/users', { user: { name, password: PASSWORD } })).body.user.id;
    const { roles } = (await ask('GET', `/roles?name=${role}`)).body;
    const id = roles[0]?.id ?? (await ask('POST', '/roles', { role: { name: role } })).body.role.id;
    await ask('PUT', `/projects/${project}/users/${user}/roles/${id}`);
    return { user, ...(await logIn(name, PASSWORD, { id: project })) };
  };
  const call = async (
    token: string,
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<number> => {
    const answer = await heldFetch(`${url}${path}`, {
      method,
      headers: { 'X-Auth-Token': token, 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
    await answer.text();
    return answer.status;
  };

  it('say what their roles may', async () => {
    const dancer = await newUser('dora', 'dancer');
    const reader = await newUser('rita', 'reader');
    const stray = await newUser('sten', 'stranger');
    const volume = { volume: { size: 1 } };
    for (const [token, project, list, create, services] of [
      [admin, operators, 200, 202, 200],
      [dancer.token, dancer.project, 200, 202, 403],
      [reader.token, reader.project, 200, 403, 403],
      [stray.token, stray.project, 403, 403, 403],
      [dancer.token, operators, 400, 400, 400],
      ['nonsense', operators, 401, 401, 401],
    ] as const) {
      const path = `/v3/${project}`;
      assert.equal(await call(token, 'GET', `${path}/volumes`), list);
      assert.equal(await call(token, 'POST', `${path}/volumes`, volume), create);
      assert.equal(await call(token, 'GET', `${path}/os-services`), services);
    }
  });

  it('end, once what is remembered of them is old', async () => {
    const { user, token, project } = await newUser('max', 'member');
    assert.equal(await call(token, 'GET', `/v3/${project}/volumes`), 200);
    await ask('DELETE', '/auth/tokens', undefined, { 'X-Subject-Token': token });
    await sleep(CACHE_MS + 100);
    assert.equal(await call(token, 'GET', `/v3/${project}/volumes`), 401);
    const again = await logIn('max', PASSWORD, { id: project });
    assert.equal(await call(again.token, 'GET', `/v3/${project}/volumes`), 200);
    await ask('PATCH', `/users/${user}`, { user: { enabled: false } });
    await sleep(CACHE_MS + 100);
    assert.equal(await call(again.token, 'GET', `/v3/${project}/volumes`), 401);
  });

  it('that have run out are good where a service vouches for them', async () => {
    const { token, project } = await newUser('lisa', 'member');

    const key = await readFile(join(dir, 'fernet/1'), 'utf8');
    const late = expiredToken(token, key, 60);
    const service = (await logIn('blockyard', SERVICE_PASSWORD, { name: 'service', domain: DOMAIN })).token;
    const lateService = expiredToken(service, key, 60);
    const plain = (await newUser('paul', 'member')).token;
    const path = `/v3/${project}/volumes`;
    const withService = (user: string, word: string): Promise<number> =>
      call(user, 'GET', path, undefined, { 'X-Service-Token': word });
    assert.equal(await call(late, 'GET', path), 401);
    assert.equal(await withService(late, service), 200);
    // Nothing of that is remembered for who comes without.
    assert.equal(await call(late, 'GET', path), 401);
    // Whoever is no service says nothing.
    assert.equal(await withService(late, plain), 401);
    assert.equal(await withService(token, plain), 200);
    assert.equal(await withService(token, service), 200);
    // What is no good token is no reason to go on.
    for (const word of ['nonsense', 'not a token', lateService])
      assert.equal(await withService(token, word), 401);
    assert.equal(await withService(token, ''), 200);
    // What the user may do stays what the user may do.
    assert.equal(
      await call(late, 'GET', `/v3/${project}/os-services`, undefined, { 'X-Service-Token': service }),
      403,
    );
    // Keystone itself vouches for no token that ran out more than two days ago.
    assert.equal(await withService(expiredToken(token, key, 3 * 86_400), service), 401);
  });

  it('are not the api’s own', async () => {
    assert.equal(await call('', 'POST', '/identity/v3/auth/tokens', { auth: {} }), 404);
  });

  it('cannot be told good from bad without Keystone', async () => {
    const { token, project } = await newUser('eve', 'member');
    assert.equal(await call(token, 'GET', `/v3/${project}/volumes`), 200);
    await keystone.stop();
    await sleep(CACHE_MS + 100);
    assert.equal(await call(token, 'GET', `/v3/${project}/volumes`), 503);
    assert.equal(await call('nonsense2', 'GET', `/v3/${project}/volumes`), 503);
    assert.deepEqual(log, []);
  });
});
