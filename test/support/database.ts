import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import { sharedMariadb } from './servers.ts';

/** A database of one test file: empty, not migrated. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  drop(): Promise<void>;
}

/** Makes an empty database with a random name in the run's MariaDB. */
export async function createDatabase(): Promise<TestDatabase> {
  const server = await sharedMariadb();
  const name = `blockyard_test_${randomBytes(6).toString('hex')}`;
  await execute(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const drop = () => execute(server, `DROP DATABASE IF EXISTS ${name}`);
  return { url: url.href, drop, [Symbol.asyncDispose]: drop };
}

async function execute(url: string, sql: string): Promise<void> {
  const connection = await createConnection(url);
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}
