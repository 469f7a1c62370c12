import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type Kysely, type KyselyPlugin, sql } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import { migrate } from '#queues/migrate.ts';
import type { Tables } from '#schema/tables.ts';
import { createDatabase, type TestDatabase } from '#test/support/database.ts';

const FOLDER = new URL('../../schema/migrations/', import.meta.url);

interface Migration {
  readonly up: (db: Kysely<unknown>) => Promise<void>;
}

class CutShort extends Error {}

/** Refuses each statement after the first so many, as a server does that has gone. */
function cutAfter(statements: number): KyselyPlugin {
  let left = statements;
  return {
    transformQuery({ node }) {
      if (left-- <= 0) throw new CutShort();
      return node;
    },
    transformResult: async ({ result }) => result,
  };
}

/** @returns how often it had to begin anew. */
async function inPieces(db: Kysely<Tables>, { up }: Migration): Promise<number> {
  for (let statements = 0; ; statements++)
    try {
      await up(db.withPlugin(cutAfter(statements)) as unknown as Kysely<unknown>);
      return statements;
    } catch (error) {
      if (!(error instanceof CutShort)) throw error;
    }
}

/** Columns and keys of all tables, without the migrator's own. */
async function schemaOf(db: Kysely<Tables>): Promise<object> {
  const columns = await sql`SELECT table_name, column_name, column_type, is_nullable, collation_name
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name NOT LIKE 'kysely%'
    ORDER BY table_name, column_name`.execute(db);
  const keys = await sql`SELECT table_name, index_name, seq_in_index, column_name, non_unique
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name NOT LIKE 'kysely%'
    ORDER BY table_name, index_name, seq_in_index`.execute(db);
  return { columns: columns.rows, keys: keys.rows };
}

/** MySQL commits each change of a table by itself: a migration that was cut short begins anew at the next start, among what it has done. */
describe('migrations', function () {
  this.timeout(180_000);
  let databases: TestDatabase[];
  let db: Kysely<Tables>;
  let whole: Kysely<Tables>;

  before(async () => {
    databases = [await createDatabase(), await createDatabase()];
    [db, whole] = databases.map(({ url }) => openDatabase(url, { connections: 1 })) as [typeof db, typeof db];
  });
  after(async () => {
    for (const each of [db, whole]) await each.destroy();
    for (const each of databases) await each[Symbol.asyncDispose]();
  });

  /** An installation from before 019, whose operators have a role of their own. */
  const putRoles = () =>
    sql`INSERT INTO identity_roles (id, name) VALUES ('a', 'admin'), ('m', 'member'), ('r', 'reader'), ('o', 'own')`.execute(
      db,
    );

  it('go on wherever they were cut short, and come to the same', async () => {
    const files = (await readdir(FOLDER)).filter((name) => /^\d{3}-/.test(name)).toSorted();
    for (const file of files) {
      if (file.startsWith('019')) await putRoles();
      const times = await inPieces(db, (await import(new URL(file, FOLDER).href)) as Migration);
      assert.ok(times > 0, file);
    }
    await migrate(whole);
    assert.deepEqual(await schemaOf(db), await schemaOf(whole));
  });

  it('leave roles that imply what they did, and the policy’s own as they are', async () => {
    const { rows: rules } = await sql`SELECT prior_role_id, implied_role_id FROM identity_role_implications
      ORDER BY prior_role_id`.execute(db);
    assert.deepEqual(rules, [
      { prior_role_id: 'a', implied_role_id: 'm' },
      { prior_role_id: 'm', implied_role_id: 'r' },
    ]);
    const mutable = await db
      .selectFrom('identity_roles')
      .select('id')
      .where('immutable', 'is', null)
      .execute();
    assert.deepEqual(mutable, [{ id: 'o' }]);
  });
});
