import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { openRedis } from '#queues/redis.ts';
import { redisUrl } from '#schema/settings.ts';
import { freePort } from '#stack/servers/port.ts';
import { startRedis } from '#stack/servers/redis.ts';
import { type Server, startServer } from '#stack/servers/server.ts';
import { blockyard } from '#test/bin/blockyard.ts';
import { Authority, type Certificate } from '../support/authority.ts';

const PASSWORD = 'planted-password';
const NAME = 'yard';

/** A master, a replica and a Sentinel that speak TLS alone, with one another too. */
describe('Redis behind Sentinels by TLS', function () {
  this.timeout(120_000);
  let dir: string;
  let authority: Authority;
  let stranger: Authority;
  let sentinelPort: number;
  const servers: (Server & { tlsPort?: number })[] = [];
  const { error } = console;
  const said: string[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-sn-'));
    [authority, stranger] = [await Authority.create(), await Authority.create()];
    const certificate = await authority.issue();
    const master = await node('a', certificate);
    const replica = await node('b', certificate, `replicaof 127.0.0.1 ${master.tlsPort}\n`);
    servers.push(master, replica);
    sentinelPort = await freePort();
    servers.push(await startSentinel(join(dir, 's'), certificate, master.tlsPort));
    console.error = (line: string) => said.push(line);
    const sentinel = openRedis(direct(sentinelPort));
    await until('the Sentinel knows the replica', async () =>
      /num-slaves,1\b/.test(String(await sentinel.call('SENTINEL', 'MASTER', NAME))),
    );
    sentinel.disconnect();
  });
  after(async () => {
    console.error = error;
    for (const server of servers.toReversed()) await server.stop();
    for (const each of [authority, stranger]) await each?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const tls = ({ cert, key }: Certificate, port: number): string =>
    `tls-port ${port}\ntls-cert-file ${cert}\ntls-key-file ${key}\ntls-ca-cert-file ${authority.ca}\ntls-auth-clients no\ntls-replication yes\n`;

  async function node(name: string, certificate: Certificate, more = '') {
    const tlsPort = await freePort();
    const settings = `masterauth ${PASSWORD}\n${tls(certificate, tlsPort)}${more}`;
    return { ...(await startRedis({ dir: join(dir, name), password: PASSWORD, settings })), tlsPort };
  }

  async function startSentinel(at: string, certificate: Certificate, master: number): Promise<Server> {
    await mkdir(at);
    const config = join(at, 'sentinel.conf');
    await writeFile(
      config,
      `bind 127.0.0.1
port 0
${tls(certificate, sentinelPort)}dir "${at}"
sentinel monitor ${NAME} 127.0.0.1 ${master} 1
sentinel auth-pass ${NAME} ${PASSWORD}
sentinel down-after-milliseconds ${NAME} 1000
sentinel failover-timeout ${NAME} 5000
`,
    );
    return await startServer({
      name: 'sentinel',
      program: 'redis-server',
      args: [config, '--sentinel'],
      dir: at,
      async ready() {
        const redis = openRedis(direct(sentinelPort));
        try {
          return (await Promise.race([redis.ping(), sleep(1_000, '')])) === 'PONG';
        } finally {
          redis.disconnect();
        }
      },
    });
  }

  const direct = (port: number): string =>
    redisUrl({ REDIS_URL: `rediss://127.0.0.1:${port}`, BLOCKYARD_REDIS_CA: authority.ca });
  const behind = (account = `:${PASSWORD}`, ca: string | undefined = authority.ca): string =>
    redisUrl({
      REDIS_URL: `rediss://${account}@127.0.0.1:${sentinelPort}?sentinel=${NAME}`,
      BLOCKYARD_REDIS_CA: ca,
    });

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!(await holds().catch(() => false))) {
      assert.ok(performance.now() < deadline, `${what}: not in time\n${said.join('\n')}`);
      await sleep(50);
    }
  }

  const portOf = async (redis: Redis): Promise<string> =>
    /tcp_port:(\d+)/.exec(await redis.info('server'))?.[1] ?? '';

  it('is refused, by name and reason, where the authority is another', async () => {
    said.length = 0;
    const redis = openRedis(behind(undefined, stranger.ca));
    const never = redis.ping().catch(() => 'ended');
    await until('it is told', async () => said.length > 0);
    redis.disconnect();
    assert.equal(await never, 'ended');
    assert.match(said.join('\n'), /self-signed certificate|unable to verify|certificate/);
    assert.doesNotMatch(said.join('\n'), /planted/);
  });

  it('lets in who has an account made by `agent add`, also when the replica has become the master', async () => {
    const added = await blockyard(['agent', 'add', 'hv1', '--kind', 'compute'], {
      REDIS_URL: `rediss://:${PASSWORD}@127.0.0.1:${sentinelPort}?sentinel=${NAME}`,
      BLOCKYARD_REDIS_CA: authority.ca,
      BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
      BLOCKYARD_QUEUE_PREFIX: 'yard',
      HOME: dir,
    });
    assert.equal(added.code, 0, added.stderr);
    assert.doesNotMatch(added.stderr, /NOT/);
    const printed = /^REDIS_URL=(.*)$/m.exec(added.stdout)?.[1] ?? '';
    const own = redisUrl({ REDIS_URL: printed, BLOCKYARD_REDIS_CA: authority.ca });
    const agent = openRedis(own);
    const operator = openRedis(behind());
    const sentinel = openRedis(direct(sentinelPort));
    try {
      await agent.set('yard:compute.hv1:x', 'before');
      await operator.set('yard:kept', 'before');
      assert.equal(await operator.wait(1, 10_000), 1);
      const before = await portOf(operator);
      await sentinel.call('SENTINEL', 'FAILOVER', NAME);
      await until('another one is the master', async () => (await portOf(operator)) !== before);
      assert.equal(await operator.get('yard:kept'), 'before');
      await agent.set('yard:compute.hv1:x', 'after');
      assert.equal(await operator.get('yard:compute.hv1:x'), 'after');
      await assert.rejects(agent.get('yard:compute.hv2:x'), /NOPERM/);
    } finally {
      for (const redis of [agent, operator, sentinel]) redis.disconnect();
    }
  });

  it('says which replica has not been told, and what to write there', async () => {
    await servers[0]!.stop();
    const env = {
      REDIS_URL: `rediss://:${PASSWORD}@127.0.0.1:${sentinelPort}?sentinel=${NAME}`,
      BLOCKYARD_REDIS_CA: authority.ca,
      BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
      BLOCKYARD_QUEUE_PREFIX: 'yard',
      HOME: dir,
    };
    const added = await blockyard(['agent', 'add', 'hv2', '--kind', 'compute'], env);
    assert.equal(added.code, 0, added.stderr);
    assert.match(added.stderr, /NOT AT THE REPLICA 127\.0\.0\.1:\d+: Redis does not answer: .*ECONNREFUSED/);
    assert.match(added.stderr, /^user yard\.compute\.hv2 on #[0-9a-f]{64} /m);
    assert.doesNotMatch(added.stderr, /planted/);
  });
});
