/** Who guesses, who floods, and what they learn. */
import assert from 'node:assert/strict';
import { Passwords } from '#api/identity/builtin/passwords.ts';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { ADMIN, IdentityApi } from '#test/api/support/identity.ts';

describe('passwords', function () {
  this.timeout(30_000);
  let api: TestApi;
  let userId: string;
  before(async () => {
    api = await startApi();
    ({ userId } = await IdentityApi.bootstrap(api));
  });
  after(() => api[Symbol.asyncDispose]());

  const right = { name: ADMIN.user, password: ADMIN.password };
  const wrong = { name: ADMIN.user, password: 'a guess' };

  it('are kept as hashes of their own salt', async () => {
    const passwords = new Passwords();
    const [one, two] = [await passwords.hash('same'), await passwords.hash('same')];
    assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.notEqual(one, two);
    assert.ok(await passwords.matches('same', one));
    assert.ok(!(await passwords.matches('Same', one)));
    assert.ok(!(await passwords.matches('', null)));
    const row = await api.db.selectFrom('identity_users').selectAll().executeTakeFirstOrThrow();
    assert.ok(!JSON.stringify(row).includes(ADMIN.password));
  });

  it('lock their user out when they are wrong too often, for a time, and tell nobody', async () => {
    let now = Date.now();
    const settings = { attempts: 3, lockoutMs: 60_000 };
    await using guarded = await IdentityApi.start(api, { clock: { now: () => now }, settings });
    for (let i = 0; i < 2; i++) assert.equal((await guarded.logIn(wrong)).status, 401);
    assert.equal((await guarded.logIn(right)).status, 201);
    for (let i = 0; i < 3; i++) assert.equal((await guarded.logIn(wrong)).status, 401);
    const locked = await guarded.logIn(right);
    const unknown = await guarded.logIn({ name: 'nobody', password: 'x' });
    assert.equal(locked.status, 401);
    assert.equal(unknown.status, 401);
    assert.equal(locked.body.error.message, unknown.body.error.message);
    // Trying on does not make it longer.
    now += 59_000;
    assert.equal((await guarded.logIn(wrong)).status, 401);
    now += 2_000;
    assert.equal((await guarded.logIn(right)).status, 201);
  });

  it('that come together are counted one by one', async () => {
    await using guarded = await IdentityApi.start(api, { settings: { attempts: 5, lockoutMs: 60_000 } });
    await Promise.all(Array.from({ length: 12 }, () => guarded.logIn(wrong)));
    assert.equal((await guarded.logIn(right)).status, 401);
    const { userId: again } = await IdentityApi.bootstrap(api);
    assert.equal(again, userId);
    assert.equal((await guarded.logIn(right)).status, 201);
    assert.deepEqual(guarded.log, []);
  });

  it('keep nobody waiting but those who log in', async () => {
    await using flooded = await IdentityApi.start(api);
    const token = await flooded.token(right, { system: { all: true } });
    const flood = Array.from({ length: 200 }, () => flooded.logIn({ name: 'nobody', password: 'x' }));
    let slowest = 0;
    for (let i = 0; i < 20; i++) {
      const began = performance.now();
      assert.equal((await flooded.identity('GET', '/auth/system', token)).status, 200);
      slowest = Math.max(slowest, performance.now() - began);
    }
    const answers = await Promise.all(
      flood.map((one) =>
        one.then(
          ({ status }) => status,
          () => 0,
        ),
      ),
    );
    // More than can wait are sent away, and those who wait are served.
    assert.ok(answers.includes(503) && answers.includes(401), JSON.stringify(answers));
    assert.ok(slowest < 4_000, `${slowest} ms`);
  });

  it('are asked for in Keystone’s words', async () => {
    await using plain = await IdentityApi.start(api);
    const user = { name: ADMIN.user, domain: { name: 'Default' }, password: ADMIN.password };
    const ask = (auth: unknown) => plain.identity('POST', '/auth/tokens', undefined, { auth });
    const methods = ['password'];
    for (const [auth, status] of [
      [{ identity: { methods, password: { user } } }, 201],
      [{ identity: { methods, password: { user: { id: userId, password: ADMIN.password } } } }, 201],
      [{ identity: { methods, password: { user } }, scope: { system: { all: true } } }, 201],
      [{ identity: { methods, password: { user } }, scope: { domain: { id: 'default' } } }, 401],
      [{ identity: { methods, password: { user } }, scope: { project: { id: 'none' } } }, 401],
      [{ identity: { methods: ['totp'], password: { user } } }, 401],
      [{ identity: { methods, password: { user: { ...user, domain: { id: 'other' } } } } }, 401],
      [{ identity: { methods, password: { user: { name: ADMIN.user, password: 'x' } } } }, 400],
      [{ identity: { methods, password: { user }, token: 5 } }, 400],
      [{ identity: { methods: ['token'], password: { user } } }, 400],
      [{ identity: { methods, password: { user: { ...user, password: [ADMIN.password] } } } }, 400],
      [{ identity: { methods } }, 400],
      [{ identity: { methods: [] } }, 401],
      [{}, 400],
    ] as const) {
      const answer = await ask(auth);
      assert.equal(answer.status, status, JSON.stringify([auth, answer.body]));
      if (status !== 201) assert.deepEqual(Object.keys(answer.body), ['error']);
      assert.ok(!JSON.stringify(answer.body).includes(ADMIN.password));
    }
    assert.deepEqual(plain.log, []);
  });
});
