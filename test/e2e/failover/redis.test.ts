import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Stack } from '#stack/environment.ts';
import { firstReply, freePort } from '#stack/servers/port.ts';
import { type RedisServer, startRedis } from '#stack/servers/redis.ts';
import { type Server, startServer } from '#stack/servers/server.ts';
import { promises, startLoad, startMakers, until } from './load.ts';

const PASSWORD = 'failover';
const NAME = 'blockyard';
const SENTINELS = 3;

describe('Redis failover by Sentinel', function () {
  this.timeout(180_000);
  let dir: string;
  let stack: Stack;
  const servers: Server[] = [];
  let master: RedisServer;
  let sentinels: (Server & { port: number })[];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-rf-'));
    const password = PASSWORD;
    const settings = `masterauth ${PASSWORD}\n`;
    master = await startRedis({ dir: join(dir, 'a'), password, settings });
    const replica = await startRedis({
      dir: join(dir, 'b'),
      password,
      settings: `${settings}replicaof 127.0.0.1 ${master.port}\n`,
    });
    servers.push(master, replica);
    await until('the replica follows', async () =>
      (await ask(replica.port, 'info', 'replication')).includes('master_link_status:up'),
    );
    sentinels = await Promise.all(
      Array.from({ length: SENTINELS }, (_, index) => startSentinel(join(dir, `s${index}`), master.port)),
    );
    servers.push(...sentinels);
    await until('the Sentinels know one another and the replica', async () => {
      const said = await Promise.all(sentinels.map(({ port }) => ask(port, 'sentinel', 'master', NAME)));
      return said.every((each) => /num-slaves,1\b/.test(each) && /num-other-sentinels,2\b/.test(each));
    });
    const [first, ...more] = sentinels.map(({ port }) => `127.0.0.1:${port}`);
    stack = await startMakers(join(dir, 'run'), {
      REDIS_URL: `redis://:${PASSWORD}@${first}?sentinel=${NAME}&sentinels=${more.join(',')}`,
    });
  });
  after(async () => {
    await stack?.stop();
    await Promise.all(servers.map((server) => server.stop()));
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  it('loses no operation when the master dies under load', () =>
    failsOver(() => process.kill(master.pid, 'SIGKILL')));

  it('comes back to the former master, a replica since, when the other one hangs', async () => {
    const restarted = await startRedis({
      dir: join(dir, 'a'),
      password: PASSWORD,
      port: master.port,
      settings: `masterauth ${PASSWORD}\n`,
    });
    servers.push(restarted);
    await until('the former master follows', async () =>
      (await ask(restarted.port, 'info', 'replication')).includes('master_link_status:up'),
    );
    const [, other] = servers as [Server, Server];
    // The Sentinels refuse a second failover so soon after the first.
    await until('the Sentinels see it', async () =>
      /num-slaves,1\b/.test(await ask(sentinels[0]!.port, 'sentinel', 'master', NAME)),
    );
    try {
      await failsOver(() => process.kill(other.pid, 'SIGSTOP'));
    } finally {
      process.kill(other.pid, 'SIGCONT');
    }
  });

  async function failsOver(blow: () => void): Promise<void> {
    const load = startLoad(stack);
    await promises(load, 100);
    blow();
    const began = performance.now();
    await promises(load, 100);
    const kept = await load.settle();
    const seconds = ((performance.now() - began) / 1_000).toFixed(1);
    console.log(
      `        ${load.accepted()} accepted, ${load.refused()} refused; ${kept} as promised ${seconds} s after the blow`,
    );
  }
});

async function startSentinel(dir: string, master: number): Promise<Server & { port: number }> {
  const port = await freePort();
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'sentinel.conf');
  await writeFile(
    config,
    `bind 127.0.0.1
port ${port}
dir "${dir}"
sentinel monitor ${NAME} 127.0.0.1 ${master} 2
sentinel auth-pass ${NAME} ${PASSWORD}
sentinel down-after-milliseconds ${NAME} 1000
sentinel failover-timeout ${NAME} 5000
`,
  );
  const server = await startServer({
    name: 'sentinel',
    program: 'redis-server',
    args: [config, '--sentinel'],
    dir,
    ready: async () => (await firstReply(port, 'PING\r\n')).includes('+PONG'),
  });
  return { ...server, port };
}

/** The reply as text. */
async function ask(port: number, command: string, ...words: string[]): Promise<string> {
  const isSentinel = command === 'sentinel';
  const redis = new Redis({ port, ...(!isSentinel && { password: PASSWORD }), lazyConnect: true });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return String(await redis.call(command, ...words));
  } finally {
    redis.disconnect();
  }
}
