import {
  type Compilable,
  CompiledQuery,
  DummyDriver,
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
} from 'kysely';
import type { Tables } from '#schema/tables.ts';
import { inSpan } from '#telemetry/tracing.ts';
import { retryDeadlocks } from './database.ts';

type Statement<O = unknown> = Compilable<O> | CompiledQuery<O>;

/** What an UPDATE, INSERT or DELETE answers. */
export interface Changed {
  /** Rows that matched the condition, changed or not (the connection asks for FOUND_ROWS). */
  readonly matched: number;
  readonly insertId: number;
}

/** A row that `must` be there was not: somebody else changed it, and the transaction has been rolled back. */
export class LostRow extends Error {
  override readonly name = 'LostRow';
}

class NoConnection extends DummyDriver {
  override acquireConnection(): never {
    throw new Error('give the statement to the transaction: later, must, rows or change');
  }
}

const COMMIT_SPAN = () =>
  ({ name: 'MySQL commit', kind: 'client', attributes: { 'db.system.name': 'mysql' } }) as const;

/** Kysely without a connection: builds statements for a Tx. */
export const BUILDER = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new MysqlAdapter(),
    createDriver: () => new NoConnection(),
    createIntrospector: (db) => new MysqlIntrospector(db),
    createQueryCompiler: () => new MysqlQueryCompiler(),
  },
});

/**
 * Fails (ER_SUBQUERY_NO_1_ROW), and with it the packet, unless the statement before it matched a row: a condition
 * checked on the way. Not DO, which swallows the error.
 */
const GUARD = CompiledQuery.raw('SELECT IF(ROW_COUNT() > 0, 0, (SELECT 1 UNION SELECT 2)) AS held');
const GUARD_FAILED = 'ER_SUBQUERY_NO_1_ROW';

/**
 * A transaction whose statements travel together. A round trip costs more than most of these statements do: what
 * needs no answer waits for the next statement that does, or for COMMIT. Kysely builds the statements (`q`), so
 * names and types are checked as ever, and values are always parameters.
 */
export class Tx {
  /** Builds statements; has no connection of its own, so none can slip past the transaction. */
  readonly q = BUILDER;
  readonly #connection: Kysely<Tables>;
  #waiting: CompiledQuery[] = [CompiledQuery.raw('START TRANSACTION')];

  constructor(connection: Kysely<Tables>) {
    this.#connection = connection;
  }

  /** To be carried out before whatever comes next; its answer is of no interest. */
  later(statement: Statement): void {
    this.#waiting.push(compiled(statement));
  }

  /** Like `later`, but fails the transaction with LostRow when it matches no row. */
  must(statement: Statement): void {
    this.#waiting.push(compiled(statement), GUARD);
  }

  async rows<O>(statement: Statement<O>): Promise<O[]> {
    return (await this.#send([compiled(statement)])) as O[];
  }

  async change(statement: Statement): Promise<Changed> {
    const { affectedRows, insertId } = (await this.#send([compiled(statement)])) as {
      affectedRows: number;
      insertId: number;
    };
    return { matched: affectedRows, insertId };
  }

  /** A change and a query in one round trip. */
  async changeAndRows<O>(change: Statement, query: Statement<O>): Promise<[Changed, O[]]> {
    const results: unknown[] = [];
    await this.#send([compiled(change), compiled(query)], results);
    const [ok, rows] = results.slice(-2) as [{ affectedRows: number; insertId: number }, O[]];
    return [{ matched: ok.affectedRows, insertId: ok.insertId }, rows];
  }

  async commit(): Promise<void> {
    await inSpan(COMMIT_SPAN, () => this.#send([CompiledQuery.raw('COMMIT')]));
  }

  async rollback(): Promise<void> {
    this.#waiting = [];
    await this.#send([CompiledQuery.raw('ROLLBACK')]);
  }

  /** Sends all that waits and `statements` as one packet; answers the last one's result, and all into `results`. */
  async #send(statements: readonly CompiledQuery[], results: unknown[] = []): Promise<unknown> {
    const batch = [...this.#waiting, ...statements];
    this.#waiting = [];
    const text = batch.map(({ sql }) => sql).join('; ');
    const parameters = batch.flatMap((query) => query.parameters);
    const answer = await this.#connection.executeQuery<unknown>(CompiledQuery.raw(text, parameters));
    if (batch.length > 1) results.push(...answer.rows);
    else if (answer.numAffectedRows === undefined) results.push(answer.rows);
    else
      results.push({ affectedRows: Number(answer.numAffectedRows), insertId: Number(answer.insertId ?? 0) });
    return results.at(-1);
  }
}

function compiled(statement: Statement): CompiledQuery {
  return 'compile' in statement ? statement.compile() : statement;
}

/**
 * Runs `work` in one transaction and commits; again when the server chose it as the victim of a deadlock.
 * @throws LostRow when a `must` found no row; whatever `work` throws. Both roll back.
 */
export function transaction<T>(db: Kysely<Tables>, work: (tx: Tx) => Promise<T>): Promise<T> {
  return retryDeadlocks(() => once(db, work));
}

async function once<T>(db: Kysely<Tables>, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    const tx = new Tx(connection);
    try {
      const value = await work(tx);
      await tx.commit();
      return value;
    } catch (error) {
      // A connection that is gone has rolled back by itself.
      await tx.rollback().catch(() => undefined);
      throw isGuard(error)
        ? new LostRow('a row that this transaction relies on has changed', { cause: error })
        : error;
    }
  });
}

function isGuard(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === GUARD_FAILED;
}
