import { join } from 'node:path';
import type { StackState } from '../secrets.ts';
import { type LibvirtServer, startLibvirt } from './libvirt.ts';
import { type MariadbServer, startMariadb } from './mariadb.ts';
import { freePort } from './port.ts';
import { type RedisServer, startRedis } from './redis.ts';
import type { Server } from './server.ts';
import { startTgtd, type TgtdServer } from './tgtd.ts';

/** The private servers of a stack; one that somebody else provides is `undefined` here. */
export interface Servers {
  readonly redis: RedisServer | undefined;
  readonly mariadb: MariadbServer | undefined;
  readonly tgtd: TgtdServer | undefined;
  readonly libvirt: LibvirtServer | undefined;
  /** Where they are, as the environment variables that the processes read. */
  readonly env: Readonly<Record<string, string>>;
  readonly iscsiPort: number | undefined;
  /** Kills Redis, as a crash would, and starts it again on the same port and data; `meanwhile` runs in between. */
  crashRedis(meanwhile?: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface ServersOptions {
  readonly runDir: string;
  readonly cacheDir: string;
  readonly state: StackState;
  readonly tgt: boolean;
  readonly libvirt: boolean;
}

/**
 * Starts, all at once, the servers that the environment doesn't name.
 * @throws Error of the first one that does not come up; the others are ended before.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { runDir, cacheDir, state } = options;
  const started: Server[] = [];
  const unlessGiven = async <T extends Server>(
    variable: string,
    start: () => Promise<T>,
    wanted = true,
  ): Promise<T | undefined> => {
    if (!wanted || (process.env[variable] ?? '') !== '') return undefined;
    const server = await start();
    started.push(server);
    return server;
  };
  const redisOptions = {
    dir: join(runDir, 'redis'),
    password: state.redisPassword,
    port: await freePort(),
  };
  const starting = {
    redis: unlessGiven('REDIS_URL', () => startRedis(redisOptions)),
    mariadb: unlessGiven('DATABASE_URL', () =>
      startMariadb({ dir: join(runDir, 'mariadb'), password: state.databasePassword }),
    ),
    tgtd: unlessGiven(
      'BLOCKYARD_TGT_SOCKET',
      async () => startTgtd({ dir: join(runDir, 'tgt'), port: await freePort(state.iscsiPort) }),
      options.tgt,
    ),
    libvirt: unlessGiven(
      'BLOCKYARD_LIBVIRT_URI',
      () => startLibvirt({ dir: join(runDir, 'libvirt'), cacheDir: join(cacheDir, 'libvirt') }),
      options.libvirt,
    ),
  };
  const results = await Promise.allSettled(Object.values(starting));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(started.map((server) => server.stop()));
    throw failed.reason;
  }
  let redis = await starting.redis;
  const [mariadb, tgtd, libvirt] = [await starting.mariadb, await starting.tgtd, await starting.libvirt];
  const found = {
    REDIS_URL: redis?.url ?? process.env['REDIS_URL'],
    DATABASE_URL: mariadb?.url ?? process.env['DATABASE_URL'],
    BLOCKYARD_TGT_SOCKET: tgtd?.managementSocket,
    BLOCKYARD_ISCSI_PORTAL: tgtd?.portal,
    BLOCKYARD_LIBVIRT_URI: libvirt?.uri,
  };
  return {
    get redis() {
      return redis;
    },
    mariadb,
    tgtd,
    libvirt,
    env: Object.fromEntries(
      Object.entries(found).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    iscsiPort: tgtd === undefined ? state.iscsiPort : Number(tgtd.portal.split(':')[1]),
    crashRedis: async (meanwhile) => {
      if (redis === undefined) throw new Error('Redis is not ours to kill');
      process.kill(redis.pid, 'SIGKILL');
      await redis.stop();
      await meanwhile?.();
      redis = await startRedis(redisOptions);
    },
    stop: async () => {
      // libvirt first: its guests use the target.
      await libvirt?.stop();
      await Promise.all([redis?.stop(), mariadb?.stop(), tgtd?.stop()]);
    },
  };
}
