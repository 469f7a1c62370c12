import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { firstReply, freePort } from './port.ts';
import { type Server, startServer } from './server.ts';

export interface MariadbOptions {
  /** Folder for its data, configuration and log; made when missing. Keep it short: it holds a Unix socket. */
  readonly dir: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Letters and digits. Default: random. */
  readonly password?: string;
  /** More lines of the server's configuration. */
  readonly settings?: string;
}

export interface MariadbServer extends Server {
  /** Of the database `blockyard`; its user may also create databases whose names start with `blockyard`. */
  readonly url: string;
  readonly port: number;
  readonly socket: string;
}

/** A private MariaDB with full durability (a flush at each commit) and modest buffers. */
export async function startMariadb(options: MariadbOptions): Promise<MariadbServer> {
  const { dir, password = randomBytes(18).toString('hex') } = options;
  const port = options.port ?? (await freePort());
  const config = join(dir, 'my.cnf');
  // A server that starts removes temporary tables of others from a folder that they share.
  await mkdir(join(dir, 'tmp'), { recursive: true, mode: 0o700 });
  await writeFile(config, configuration(dir, port), { mode: 0o600 });
  // Runs before the first connection is accepted, at each start.
  await writeFile(join(dir, 'init.sql'), accounts(password), { mode: 0o600 });
  await installOnce(dir, config);
  // Not before: a server that only reads can't be installed.
  await appendFile(config, options.settings ?? '');
  const server = await startServer({
    name: 'mariadbd',
    program: 'mariadbd',
    args: [`--defaults-file=${config}`],
    dir,
    // The server greets first, and only when it is up.
    ready: async () => (await firstReply(port)).includes('MariaDB'),
  });
  const socket = join(resolve(dir), 'mariadb.sock');
  return {
    ...server,
    port,
    socket,
    url: `mysql://blockyard:${password}@127.0.0.1:${port}/blockyard?socketPath=${encodeURIComponent(socket)}`,
  };
}

/** Makes the data folder; under another name until it is complete, so that a crash leaves nothing half made. */
async function installOnce(dir: string, config: string): Promise<void> {
  const data = join(dir, 'data');
  if (existsSync(data)) return;
  const draft = join(dir, 'data.draft');
  await rm(draft, { recursive: true, force: true });
  await systemRunner.run(
    'mariadb-install-db',
    [
      `--defaults-file=${config}`,
      `--datadir=${draft}`,
      `--auth-root-socket-user=${userInfo().username}`,
      '--skip-test-db',
      '--force', // also where the host's own name does not resolve
    ],
    { timeoutMs: 120_000 },
  );
  await rename(draft, data);
}

function configuration(dir: string, port: number): string {
  return `[mariadbd]
user = ${userInfo().username}
datadir = ${dir}/data
tmpdir = ${dir}/tmp
socket = ${dir}/mariadb.sock
pid-file = ${dir}/own.pid
init-file = ${dir}/init.sql
bind-address = 127.0.0.1
port = ${port}
skip-name-resolve
skip-log-bin
performance-schema = off
character-set-server = utf8mb4
collation-server = utf8mb4_bin
innodb-flush-log-at-trx-commit = 1
innodb-buffer-pool-size = 64M
innodb-log-file-size = 32M
key-buffer-size = 1M
aria-pagecache-buffer-size = 2M
max-connections = 200
`;
}

function accounts(password: string): string {
  return `CREATE DATABASE IF NOT EXISTS blockyard;
CREATE OR REPLACE USER blockyard@'127.0.0.1' IDENTIFIED BY '${password}';
GRANT ALL ON \`blockyard%\`.* TO blockyard@'127.0.0.1';
CREATE OR REPLACE USER blockyard@localhost IDENTIFIED BY '${password}';
GRANT ALL ON \`blockyard%\`.* TO blockyard@localhost;
`;
}
