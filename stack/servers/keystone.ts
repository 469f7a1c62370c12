import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { openDatabase } from '#queues/database.ts';
import { freePort } from './port.ts';
import { type Server, startServer } from './server.ts';

export interface KeystoneServer extends Server {
  /** Its v3 root. */
  readonly url: string;
}

export interface KeystoneOptions {
  /** Folder for its configuration and keys; made when missing. */
  readonly dir: string;
  /** Of its first administrator: user `admin` in project `admin` of the domain `Default`. */
  readonly password: string;
  readonly region: string;
  /** Of a database whose account may create another one beside it, `<its name>_keystone`; `mysql://…`. */
  readonly databaseUrl: string;
}

const PROCESSES = 2;
const THREADS = 4;

/** A real Keystone from Debian's packages, private to this folder; no service of the system is touched. */
export async function startKeystone(options: KeystoneOptions): Promise<KeystoneServer> {
  const { dir, password, region, databaseUrl } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = join(dir, 'keystone.conf');
  await createDatabase(databaseUrl);
  await writeFile(config, configuration(dir, databaseUrl), { mode: 0o600 });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/v3`;
  const manage = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<unknown> =>
    systemRunner.run('keystone-manage', ['--config-file', config, ...args], { env, timeoutMs: 120_000 });
  await manage(['db_sync']);
  await makeKeys(join(dir, 'fernet'));
  // The password stays out of argv.
  await manage(['bootstrap', '--bootstrap-region-id', region, '--bootstrap-public-url', url], {
    OS_BOOTSTRAP_PASSWORD: password,
  });
  const ini = join(dir, 'uwsgi.ini');
  await writeFile(ini, uwsgi(port));
  const server = await startServer({
    name: 'keystone',
    program: 'uwsgi',
    args: ['--ini', ini],
    env: { OS_KEYSTONE_CONFIG_FILES: config },
    dir,
    ready: async () => (await fetch(url)).ok,
    deadlineMs: 60_000,
  });
  return { ...server, url };
}

/** What `keystone-manage fernet_setup` does in several seconds: a key to sign with, and the next one. */
async function makeKeys(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of ['0', '1']) {
    const key = randomBytes(32).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    const file = join(folder, name);
    if (!existsSync(file)) await writeFile(file, key, { mode: 0o600 });
  }
}

async function createDatabase(url: string): Promise<void> {
  const db = openDatabase(url, { connections: 1 });
  try {
    await sql`CREATE DATABASE IF NOT EXISTS ${sql.id(databaseOf(url))}`.execute(db);
  } finally {
    await db.destroy();
  }
}

function databaseOf(url: string): string {
  return `${new URL(url).pathname.slice(1)}_keystone`;
}

/** In SQLAlchemy's words; over TCP, because Keystone's set-up takes no `%` in here. */
function connectionOf(text: string): string {
  const url = new URL(text);
  return `mysql+pymysql://${url.username}:${url.password}@${url.host}/${databaseOf(text)}?charset=utf8mb4`;
}

/** A Keystone to try things with: bcrypt's least rounds, a hundredth of the usual ones' time. */
function configuration(dir: string, databaseUrl: string): string {
  return `[DEFAULT]
use_stderr = true
[identity]
password_hash_rounds = 4
[database]
connection = ${connectionOf(databaseUrl)}
[fernet_tokens]
key_repository = ${dir}/fernet
[fernet_receipts]
key_repository = ${dir}/fernet
`;
}

/** As in Debian's own service; what Keystone does not read of a request is no reason to reset the connection. */
function uwsgi(port: number): string {
  return `[uwsgi]
plugins-dir = /usr/lib/uwsgi/plugins
plugin = python3
http-socket = 127.0.0.1:${port}
wsgi-file = /usr/bin/keystone-wsgi-public
master = true
lazy-apps = true
need-app = true
die-on-term = true
processes = ${PROCESSES}
threads = ${THREADS}
buffer-size = 65535
post-buffering = 65536
rem-header = Content-Length
`;
}
