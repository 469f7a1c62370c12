import assert from 'node:assert/strict';
import { SECRET_KEY, startApi, type TestApi } from '#test/api/support/api.ts';
import { IdentityApi } from '#test/api/support/identity.ts';
import { createDatabase, type TestDatabase } from '#test/support/database.ts';
import { blockyard } from './blockyard.ts';

const PASSWORD = 'never to be seen';

describe('blockyard identity', function () {
  this.timeout(120_000);
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const env = (database: string, password?: string) => ({
    DATABASE_URL: database,
    BLOCKYARD_SECRET_KEY: SECRET_KEY,
    ...(password !== undefined && { BLOCKYARD_ADMIN_PASSWORD: password }),
  });
  const bootstrap = (password: string, ...more: string[]) =>
    blockyard(['identity', 'bootstrap', ...more], env(api.databaseUrl, password));

  it('makes the first administrator, and lets him in again with another password', async () => {
    await using identity = await IdentityApi.start(api);
    for (const password of [PASSWORD, `${PASSWORD} again`]) {
      const { code, stdout, stderr } = await bootstrap(password, '--user', 'root', '--project', 'operators');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^user root \([0-9a-f]{32}\) administers project operators \([0-9a-f]{32}\) /);
      assert.ok(!`${stdout}${stderr}`.includes(PASSWORD));
      const token = await identity.token({ name: 'root', password }, { system: { all: true } });
      const { body } = await identity.identity('GET', '/users', token);
      assert.deepEqual(
        body.users.map(({ name }: { name: string }) => name),
        ['root'],
      );
    }
    assert.equal((await identity.logIn({ name: 'root', password: PASSWORD })).status, 401);
  });

  it('works on an empty database, and says what is wrong in one line', async () => {
    await using empty: TestDatabase = await createDatabase();
    assert.equal((await blockyard(['identity', 'bootstrap'], env(empty.url, PASSWORD))).code, 0);
    for (const [args, variables, code, words] of [
      [['bootstrap'], env(empty.url, 'short'), 1, /at least 8 characters/],
      [['bootstrap'], { BLOCKYARD_ADMIN_PASSWORD: PASSWORD }, 1, /DATABASE_URL is not set/],
      [['begin'], {}, 2, /expected bootstrap/],
    ] as const) {
      const told = await blockyard(['identity', ...args], variables);
      assert.deepEqual([told.code, told.stdout], [code, '']);
      assert.match(told.stderr, words);
    }
  });
});

describe('blockyard clouds', function () {
  this.timeout(120_000);

  it('says how to log in, for each way there is, without a secret', async () => {
    for (const [mode, words] of [
      ['none', [/auth_type: v3token/, /token: "admin:admin"/]],
      ['tokens', [/auth_type: v3token/, /auth_url: "http:\/\/127\.0\.0\.1:8776\/identity\/v3"/]],
      ['builtin', [/auth_type: password/, /auth_url: "http:\/\/127\.0\.0\.1:8776\/identity\/v3"/]],
      ['keystone', [/auth_type: password/, /auth_url: "https:\/\/ks\.example\/v3"/]],
    ] as const) {
      const env = { BLOCKYARD_AUTH: mode, BLOCKYARD_KEYSTONE_URL: 'https://ks.example/v3' };
      const { code, stdout, stderr } = await blockyard(['clouds'], { ...env, OS_PASSWORD: PASSWORD });
      assert.equal(code, 0, stderr);
      for (const word of words) assert.match(stdout, word);
      assert.ok(!stdout.includes(PASSWORD));
    }
    const mine = ['clouds', '--application-credential', '0123abcd'];
    const { stdout } = await blockyard(mine, { BLOCKYARD_AUTH: 'builtin' });
    for (const word of [/auth_type: v3applicationcredential/, /application_credential_id: "0123abcd"/])
      assert.match(stdout, word);
    assert.match(stdout, /# +application_credential_secret: …/);
    assert.equal((await blockyard(mine, { BLOCKYARD_AUTH: 'none' })).code, 1);
    assert.equal((await blockyard(['clouds'], {})).code, 1);
    assert.equal((await blockyard(['clouds'], { BLOCKYARD_AUTH: 'keystone' })).code, 1);
  });
});
