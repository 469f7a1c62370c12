import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { agentKeys } from '#queues/secrets.ts';
import { firstReply, freePort } from '#stack/servers/port.ts';
import { type RedisServer, startRedis } from '#stack/servers/redis.ts';
import { type Server, startServer } from '#stack/servers/server.ts';
import { blockyard } from './blockyard.ts';

const KEY = 'ab'.repeat(32);

describe('blockyard agent', function () {
  this.timeout(60_000);
  let dir: string;
  let server: RedisServer;
  let env: Record<string, string>;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-agent-'));
    server = await startRedis({ dir: join(dir, 'r') });
    env = { REDIS_URL: server.url, BLOCKYARD_SECRET_KEY: KEY, BLOCKYARD_QUEUE_PREFIX: 'yard', HOME: dir };
  });
  after(async () => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const settings = (text: string) =>
    Object.fromEntries(
      text
        .split('\n')
        .filter((line) => /^[A-Z_]+=/.test(line))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    ) as Record<string, string>;

  it('prints what an agent needs, and nothing of what it must not have', async () => {
    const { code, stdout, stderr } = await blockyard(['agent', 'add', 'hv1', '--kind', 'compute'], env);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    const printed = settings(stdout);
    assert.deepEqual(Object.keys(printed), [
      'REDIS_URL',
      'BLOCKYARD_AGENT_KEY',
      'BLOCKYARD_HOST',
      'BLOCKYARD_QUEUE_PREFIX',
    ]);
    assert.equal(printed['BLOCKYARD_AGENT_KEY'], agentKeys(KEY, 'compute.hv1'));
    assert.ok(!stdout.includes(KEY) && !stdout.includes(new URL(server.url).password));
    // The socket is this host's alone.
    assert.ok(!printed['REDIS_URL']!.includes('path='));
    const redis = new Redis(printed['REDIS_URL']!);
    await redis.set('yard:compute.hv1:x', '1');
    await assert.rejects(redis.get('yard:compute.hv2:x'), /NOPERM/);
    redis.disconnect();
  });

  it('knows both kinds, lists, gives a new password, and takes away', async () => {
    const both = await blockyard(['agent', 'add', 'both'], env);
    assert.match(both.stdout, /# The environment of the storage agent of host both[\s\S]*# .* compute agent/);
    const listed = await blockyard(['agent', 'list'], env);
    assert.equal(listed.stdout, 'compute.both\ncompute.hv1\nstorage.both\n');
    const again = await blockyard(['agent', 'add', 'both', '--kind', 'storage'], env);
    assert.notEqual(settings(again.stdout)['REDIS_URL'], settings(both.stdout.split('# ')[1]!)['REDIS_URL']);
    assert.equal((await blockyard(['agent', 'remove', 'both'], env)).code, 0);
    const gone = await blockyard(['agent', 'remove', 'both'], env);
    assert.deepEqual([gone.code, gone.stderr], [1, 'blockyard agent: host both has no account\n']);
    assert.equal((await blockyard(['agent', 'list'], env)).stdout, 'compute.hv1\n');
  });

  it('says so when Redis will forget, and how it would not', async () => {
    const port = await freePort();
    const forgetful: Server = await startServer({
      name: 'forgetful',
      program: 'redis-server',
      args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir],
      dir,
      ready: async () => (await firstReply(port, 'PING\r\n')).includes('+PONG'),
    });
    try {
      const there = { ...env, REDIS_URL: `redis://127.0.0.1:${port}` };
      const { code, stdout, stderr } = await blockyard(['agent', 'add', 'hv1', '--kind', 'compute'], there);
      assert.equal(code, 0);
      assert.match(stderr, /NOT KEPT: this Redis has no aclfile/);
      const line = /^user yard\.compute\.hv1 .*$/m.exec(stderr)?.[0];
      assert.ok(line !== undefined && !line.includes(new URL(settings(stdout)['REDIS_URL']!).password));
    } finally {
      await forgetful.stop();
    }
  });

  it('says what is wrong in one line', async () => {
    for (const [args, reason] of [
      [['agent'], /expected add, list or remove/],
      [['agent', 'add'], /HOST is missing/],
      [['agent', 'add', 'a b'], /HOST must be letters/],
      [['agent', 'add', '*'], /HOST must be letters/],
      [['agent', 'add', 'x', '--kind', 'both'], /--kind must be storage or compute/],
    ] as const) {
      const { code, stderr } = await blockyard(args, env);
      assert.equal(code, 2);
      assert.match(stderr, reason);
    }
    const wrong = { ...env, REDIS_URL: server.url.replace(/:[0-9a-f]+@/, ':planted@') };
    const refused = await blockyard(['agent', 'list'], wrong);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /WRONGPASS/);
    assert.ok(!refused.stderr.includes('planted'));
  });
});
