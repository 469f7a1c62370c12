import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import { openRedis } from '#queues/redis.ts';
import { databaseUrl, redisUrl } from '#schema/settings.ts';
import { startMariadb } from '#stack/servers/mariadb.ts';
import { freePort } from '#stack/servers/port.ts';
import { startRedis } from '#stack/servers/redis.ts';
import { Authority, type Certificate } from '../support/authority.ts';

const PASSWORD = 'planted-password';

describe('connections by TLS', function () {
  this.timeout(60_000);
  let dir: string;
  let authority: Authority;
  let stranger: Authority;
  let own: Certificate;
  let elsewhere: Certificate;
  let expired: Certificate;
  const said: string[] = [];
  const { error } = console;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-tls-'));
    [authority, stranger] = [await Authority.create(), await Authority.create()];
    own = await authority.issue();
    elsewhere = await authority.issue({ names: 'DNS:elsewhere.example' });
    expired = await authority.issue({ days: -1 });
    console.error = (line: string) => said.push(line);
  });
  after(async () => {
    console.error = error;
    await authority?.[Symbol.asyncDispose]();
    await stranger?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function redisWith({ cert, key }: Certificate, more = 'tls-auth-clients no') {
    const port = await freePort();
    const server = await startRedis({
      dir: await mkdtemp(join(dir, 'r')),
      password: PASSWORD,
      settings: `tls-port ${port}\ntls-cert-file ${cert}\ntls-key-file ${key}\ntls-ca-cert-file ${authority.ca}\n${more}\n`,
    });
    return { url: `rediss://:${PASSWORD}@localhost:${port}`, [Symbol.asyncDispose]: () => server.stop() };
  }

  /** What comes of a first command; `refused` is what is said when none gets through. */
  async function ping(url: string): Promise<string> {
    said.length = 0;
    const redis = openRedis(url);
    try {
      const refused = (async () => {
        while (said.length === 0) await sleep(10);
        return said.join('\n');
      })();
      // Whom Redis does not let in, it refuses the command too.
      const reply = redis.ping().catch(() => refused);
      return await Promise.race([reply, refused, sleep(10_000, 'nothing was said')]);
    } finally {
      redis.disconnect();
    }
  }

  it('reach Redis whose certificate is signed by the authority that is named', async () => {
    await using server = await redisWith(own);
    assert.equal(await ping(redisUrl({ REDIS_URL: server.url, BLOCKYARD_REDIS_CA: authority.ca })), 'PONG');
    const address = server.url.replace('localhost', '127.0.0.1');
    assert.equal(await ping(redisUrl({ REDIS_URL: address, BLOCKYARD_REDIS_CA: authority.ca })), 'PONG');
  });

  for (const [what, make] of [
    [/self-signed certificate|unable to verify/, async () => [await redisWith(own), stranger.ca]],
    [/self-signed certificate|unable to verify/, async () => [await redisWith(own), undefined]],
    [/altnames/, async () => [await redisWith(elsewhere), authority.ca]],
    [/certificate has expired/, async () => [await redisWith(expired), authority.ca]],
  ] as const) {
    it(`are refused by name and reason: Redis, ${what.source}`, async () => {
      const [made, ca] = await make();
      await using server = made as Awaited<ReturnType<typeof redisWith>>;
      const words = await ping(
        redisUrl({ REDIS_URL: server.url, BLOCKYARD_REDIS_CA: ca as string | undefined }),
      );
      assert.match(words, what);
      assert.match(words, /^Redis at localhost:\d+: /);
      assert.ok(!words.includes(PASSWORD));
    });
  }

  it('show a certificate of their own to a Redis that asks for one', async () => {
    await using server = await redisWith(own, 'tls-auth-clients yes');
    const client = await authority.issue({ names: 'DNS:client' });
    const env = { REDIS_URL: server.url, BLOCKYARD_REDIS_CA: authority.ca };
    const whole = { ...env, BLOCKYARD_REDIS_CERT: client.cert, BLOCKYARD_REDIS_KEY: client.key };
    assert.equal(await ping(redisUrl(whole)), 'PONG');
    assert.match(await ping(redisUrl(env)), /SSL|certificate/i);
  });

  it('say what is wrong with the settings', () => {
    assert.throws(() => redisUrl({ REDIS_URL: 'redis://localhost', BLOCKYARD_REDIS_CA: '/ca' }), {
      message: 'REDIS_URL must begin with rediss:// when BLOCKYARD_REDIS_CA, _CERT or _KEY is set',
    });
    const missing = redisUrl({
      REDIS_URL: `rediss://:${PASSWORD}@localhost`,
      BLOCKYARD_REDIS_CA: '/no/such',
    });
    assert.throws(() => openRedis(missing), { message: /^the TLS ca file: ENOENT.*\/no\/such/ });
    const address = { DATABASE_URL: 'mysql://u:p@127.0.0.1/d', BLOCKYARD_DATABASE_CA: authority.ca };
    assert.throws(() => openDatabase(databaseUrl(address)), {
      message: 'DATABASE_URL must have the host by name, not by address, where TLS is used',
    });
  });

  it('tell, once, that Redis does not let one in', async () => {
    await using server = await redisWith(own);
    const wrong = server.url.replace(PASSWORD, 'planted-wrong');
    const words = await ping(redisUrl({ REDIS_URL: wrong, BLOCKYARD_REDIS_CA: authority.ca }));
    assert.match(words, /^Redis at localhost:\d+: WRONGPASS/);
    assert.ok(!words.includes('planted-wrong'));
  });

  it('reach MySQL, with the certificate checked', async () => {
    const mysql = async ({ cert, key }: Certificate) => {
      const server = await startMariadb({
        dir: join(dir, 'm'),
        password: 'plantedpassword',
        settings: `ssl-cert = ${cert}\nssl-key = ${key}\n`,
      });
      return { ...server, url: `mysql://blockyard:plantedpassword@localhost:${server.port}/blockyard` };
    };
    async function cipher(url: string, ca: string | undefined): Promise<string> {
      const db = openDatabase(databaseUrl({ DATABASE_URL: url, BLOCKYARD_DATABASE_CA: ca }), {
        connections: 1,
      });
      try {
        const { rows } = await sql<{ Value: string }>`SHOW STATUS LIKE 'Ssl_cipher'`.execute(db);
        return rows[0]?.Value ?? '';
      } finally {
        await db.destroy();
      }
    }
    {
      await using server = await mysql(own);
      assert.notEqual(await cipher(server.url, authority.ca), '');
      assert.equal(await cipher(server.url, undefined), '');
      const begins = /^MySQL at localhost:\d+: /;
      const refusal = (reason: RegExp) => (error: Error) =>
        reason.test(error.message) && begins.test(error.message) && !error.message.includes('planted');
      await assert.rejects(cipher(server.url, stranger.ca), refusal(/self-signed|unable to verify/));
      // The authorities that Node trusts know nothing of this one.
      await assert.rejects(
        cipher(`${server.url}?tls=on`, undefined),
        refusal(/self-signed|unable to verify/),
      );
    }
    for (const [certificate, reason] of [
      [elsewhere, /altnames/],
      [expired, /expired/],
    ] as const) {
      await using server = await mysql(certificate);
      await assert.rejects(cipher(server.url, authority.ca), reason);
    }
  });
});
