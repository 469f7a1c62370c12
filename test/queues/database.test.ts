import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import { createDatabase } from '#test/support/database.ts';

describe('database', () => {
  it('is READ COMMITTED, strict and in UTC on every connection', async () => {
    await using database = await createDatabase();
    const db = openDatabase(database.url);
    await sql`CREATE TABLE seen (n INT)`.execute(db);
    const count = async (connection: typeof db): Promise<unknown> =>
      (await sql<{ n: number }>`SELECT COUNT(*) AS n FROM seen`.execute(connection)).rows[0]?.n;
    await db.connection().execute(async (one) => {
      await sql`START TRANSACTION`.execute(one);
      assert.equal(await count(one), 0);
      await sql`INSERT INTO seen VALUES (1)`.execute(db);
      assert.equal(await count(one), 1, 'a transaction sees what others have committed meanwhile');
      await sql`COMMIT`.execute(one);
    });
    const { rows } = await sql`SELECT @@SESSION.time_zone AS zone, @@SESSION.sql_mode AS mode`.execute(db);
    assert.deepEqual(rows, [{ zone: '+00:00', mode: 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION' }]);
    await db.destroy();
  });
});
