import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMariadb } from '#stack/servers/mariadb.ts';
import { startRedis } from '#stack/servers/redis.ts';
import type { Server } from '#stack/servers/server.ts';

const started: Server[] = [];
let folder: Promise<string> | undefined;
let mariadbUrl: Promise<string> | undefined;
let redisUrl: Promise<string> | undefined;

/** The MariaDB that the whole test run shares: `TEST_DATABASE_URL`, or one started at the first use. */
export function sharedMariadb(): Promise<string> {
  mariadbUrl ??= fromEnvironment('TEST_DATABASE_URL', (dir) => startMariadb({ dir: join(dir, 'mariadb') }));
  return mariadbUrl;
}

/** The Redis that the whole test run shares: `TEST_REDIS_URL`, or one started at the first use. */
export function sharedRedis(): Promise<string> {
  redisUrl ??= fromEnvironment('TEST_REDIS_URL', (dir) => startRedis({ dir: join(dir, 'redis') }));
  return redisUrl;
}

/** Ends what this run has started. */
export async function stopSharedServers(): Promise<void> {
  await Promise.all(started.splice(0).map((server) => server.stop()));
  if (folder !== undefined) await rm(await folder, { recursive: true, force: true });
}

async function fromEnvironment(
  name: string,
  start: (dir: string) => Promise<Server & { readonly url: string }>,
): Promise<string> {
  const given = process.env[name];
  if (given !== undefined && given !== '') return given;
  folder ??= mkdtemp(join(tmpdir(), 'blockyard-test-'));
  const server = await start(await folder);
  started.push(server);
  process.env[name] = server.url;
  return server.url;
}
