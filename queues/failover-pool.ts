import type { Pool, PoolConnection } from 'mysql2';

/** What Kysely wants of a pool. */
interface KyselyPool {
  getConnection(callback: (error: unknown, connection: PoolConnection) => void): void;
  end(callback: (error: unknown) => void): void;
}

export interface FailoverPool extends KyselyPool {
  /** A statement was refused because the server only reads now: whatever is handed out next is looked at again. */
  demoted(): void;
}

/** MySQL's and MariaDB's refusals to write on a server that has become a replica. */
const READ_ONLY = new Set(['ER_OPTION_PREVENTS_STATEMENT', 'ER_READ_ONLY_MODE']);

export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && 'code' in error && READ_ONLY.has(String(error.code));
}

/**
 * Several servers of which one takes writes. Stays with the one that it has until that is gone or only reads
 * (`read_only`, https://mariadb.com/kb/en/server-system-variables/#read_only), then asks the others in turn. Who becomes the
 * one that writes, and that the former one can't come back as another, is the operator's failover manager's to see to.
 */
export function failoverPool(pools: readonly Pool[]): FailoverPool {
  let current = 0;
  let generation = 0;
  const seen = new WeakMap<PoolConnection, number>();

  async function writable(pool: Pool): Promise<PoolConnection> {
    for (;;) {
      const connection = await connectionOf(pool);
      if (seen.get(connection) === generation) return connection;
      const began = generation;
      if (await readsOnly(connection)) {
        connection.destroy();
        throw Object.assign(new Error('the database server only reads'), { code: 'ER_READ_ONLY_MODE' });
      }
      seen.set(connection, began);
      if (began === generation) return connection;
      connection.release();
    }
  }

  async function take(): Promise<PoolConnection> {
    const first = current;
    let failure: unknown;
    for (let tried = 0; tried < pools.length; tried++) {
      const index = (first + tried) % pools.length;
      try {
        const connection = await writable(pools[index] as Pool);
        current = index;
        return connection;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  return {
    demoted: () => void (generation += 1),
    getConnection: (callback) =>
      void take().then(
        (connection) => callback(null, connection),
        (error: unknown) => callback(error, undefined as never),
      ),
    end: (callback) =>
      void Promise.all(pools.map((pool) => new Promise((resolve) => pool.end(resolve)))).then(
        () => callback(null),
        callback,
      ),
  };
}

function connectionOf(pool: Pool): Promise<PoolConnection> {
  return new Promise((resolve, reject) => {
    pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection)));
  });
}

/** A connection that is gone counts as one whose server is: the error says so. */
function readsOnly(connection: PoolConnection): Promise<boolean> {
  return new Promise((resolve, reject) => {
    connection.query('SELECT @@GLOBAL.read_only AS read_only', (error, rows) => {
      if (error === null) resolve((rows as { read_only: number }[])[0]?.read_only === 1);
      else {
        connection.destroy();
        reject(error);
      }
    });
  });
}
