import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { firstReply, freePort } from './port.ts';
import { type Server, startServer } from './server.ts';

export interface RedisOptions {
  /** Folder for its data, configuration and log; made when missing. Keep it short: it holds a Unix socket. */
  readonly dir: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Default: random. */
  readonly password?: string;
  /** More lines of the server's configuration. */
  readonly settings?: string;
}

export interface RedisServer extends Server {
  readonly url: string;
  readonly port: number;
}

/** A private Redis that a queue can rest on: append-only file, never evicts. The password stays out of argv. */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const { dir, password = randomBytes(18).toString('hex') } = options;
  const port = options.port ?? (await freePort());
  const config = join(dir, 'redis.conf');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await keepUsers(join(dir, 'users.acl'), password);
  await writeFile(
    config,
    `bind 127.0.0.1
port ${port}
unixsocket "${dir}/redis.sock"
unixsocketperm 700
aclfile "${dir}/users.acl"
dir "${dir}"
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
daemonize no
${options.settings ?? ''}`,
    { mode: 0o600 },
  );
  const server = await startServer({
    name: 'redis-server',
    program: 'redis-server',
    args: [config],
    dir,
    // Inline commands; until the append-only file is loaded the second answer is -LOADING.
    ready: async () => (await firstReply(port, `AUTH ${password}\r\nPING\r\n`)).includes('+PONG'),
  });
  return {
    ...server,
    port,
    url: `redis://:${password}@127.0.0.1:${port}?path=${encodeURIComponent(join(resolve(dir), 'redis.sock'))}`,
  };
}

/** The accounts of agents outlive a restart; the one that this project's own processes use has today's password. */
async function keepUsers(file: string, password: string): Promise<void> {
  const known = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  const others = known.filter((line) => line !== '' && !line.startsWith('user default '));
  const hash = createHash('sha256').update(password).digest('hex');
  await writeFile(file, `${[`user default on #${hash} ~* &* +@all`, ...others].join('\n')}\n`, {
    mode: 0o600,
  });
}
