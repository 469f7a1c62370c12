import { isIP } from 'node:net';
import { Kysely, type LogEvent, MysqlDialect, type Transaction } from 'kysely';
import { createPool, type Pool, type SslOptions } from 'mysql2';
import type { Tables } from '#schema/tables.ts';
import { logger } from '#telemetry/log-levels.ts';
import { failoverPool, isReadOnly } from './failover-pool.ts';
import { observeQuery } from './metrics.ts';
import { tlsFiles } from './tls.ts';

export interface DatabaseOptions {
  /** Connections kept open at most. */
  readonly connections?: number;
}

/**
 * Opens a pool on MySQL or MariaDB. Times come as UTC text and JSON columns as text, so that a row is never a Date
 * in one driver and a string in another. Every session is READ COMMITTED: compare-and-swap updates need no gap locks.
 * @param url `mysql://user:password@host:port/database`; with `?failover=host:port,host:port` servers that may take over from the
 * first: whichever takes writes is used.
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Kysely<Tables> {
  const [first, ...others] = addresses(url);
  if (others.length === 0)
    return new Kysely<Tables>({
      dialect: new MysqlDialect({ pool: openPool(first, options) }),
      log: tell,
    });
  const pool = failoverPool([first, ...others].map((address) => openPool(address, options)));
  return new Kysely<Tables>({
    dialect: new MysqlDialect({ pool }),
    log: (event) => {
      tell(event);
      if (event.level === 'error' && isReadOnly(event.error)) pool.demoted();
    },
  });
}

const sqlLog = logger('blockyard.sql');

/** Values are parameters, and stay out of it. */
function tell({ queryDurationMillis: ms, query }: LogEvent): void {
  observeQuery(ms);
  sqlLog.debug(() => `${ms.toFixed(1)} ms ${query.sql}`);
}

/** One URL per server. */
function addresses(url: string): [string, ...string[]] {
  const first = new URL(url);
  const others = first.searchParams.get('failover')?.split(',') ?? [];
  first.searchParams.delete('failover');
  return [
    first.href,
    ...others.map((host) => {
      const other = new URL(first);
      // A path to a socket is the first server's own.
      other.searchParams.delete('socketPath');
      other.port = '';
      other.host = host.trim();
      return other.href;
    }),
  ];
}

function openPool(url: string, options: DatabaseOptions): Pool {
  const { uri, ssl } = secured(url);
  const pool = createPool({
    uri,
    ...(ssl === undefined ? {} : { ssl }),
    connectionLimit: options.connections ?? 10,
    charset: 'utf8mb4',
    timezone: 'Z',
    dateStrings: true,
    jsonStrings: true,
    // A number of rows *matched*, not changed, is what a compare-and-swap asks for.
    flags: ['FOUND_ROWS'],
    // A transaction's statements travel together (queues/transaction.ts); values are parameters without exception.
    multipleStatements: true,
    enableKeepAlive: true,
    connectTimeout: 5_000,
  });
  pool.on('connection', (connection) => {
    // Queued before any statement of ours on this connection, which must not run under other rules than these.
    const orGone = (error: unknown): void => {
      if (error) connection.destroy();
    };
    // Not the variable of that name: MariaDB before 11.1 has none.
    connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', orGone);
    connection.query(
      "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
      orGone,
    );
  });
  if (ssl !== undefined) nameInErrors(pool, new URL(url).host);
  return pool;
}

/** @throws Error for an address instead of a name: mysql2 compares names only with the certificate. */
function secured(text: string): { readonly uri: string; readonly ssl?: SslOptions } {
  const { url, tls, named } = tlsFiles(text);
  const uri = new URL(url);
  const wanted = named || uri.searchParams.get('tls') === 'on';
  uri.searchParams.delete('tls');
  if (!wanted) return { uri: uri.href };
  if (isIP(uri.hostname.replace(/^\[|\]$/g, '')) !== 0)
    throw new Error('DATABASE_URL must have the host by name, not by address, where TLS is used');
  return { uri: uri.href, ssl: { ...tls, rejectUnauthorized: true, verifyIdentity: true } };
}

/** OpenSSL's words alone don't say whose certificate is no good. */
function nameInErrors(pool: Pool, host: string): void {
  const take = pool.getConnection.bind(pool);
  pool.getConnection = (callback) =>
    take((error, connection) => {
      if (error?.code === 'HANDSHAKE_SSL_ERROR') error.message = `MySQL at ${host}: ${error.message}`;
      callback(error, connection);
    });
}

/** Deadlock (1213) and lock wait timeout (1205): the transaction was rolled back and may simply run again. */
const RETRIABLE = new Set(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT']);
const ATTEMPTS = 5;

/** Runs `work` in one transaction; again when the server chose it as the victim of a deadlock. */
export function transact<T>(db: Kysely<Tables>, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  return retryDeadlocks(() => db.transaction().execute(work));
}

/** Runs a whole transaction, and again when it was the victim of a deadlock or waited too long for a lock. */
export async function retryDeadlocks<T>(attemptOne: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOne();
    } catch (error) {
      if (attempt >= ATTEMPTS || !isRetriable(error)) throw error;
    }
  }
}

function isRetriable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && RETRIABLE.has(String(error.code));
}

/** True when the statement failed because a unique key exists already. */
export function isDuplicateKey(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ER_DUP_ENTRY';
}
