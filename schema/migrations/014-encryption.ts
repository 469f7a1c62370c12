import { type Kysely, sql } from 'kysely';
import { addColumns, addKeys, ID, OPTIONS, TEXT, WORD } from './columns.ts';

const KEYS = `CREATE TABLE IF NOT EXISTS encryption_keys (
  id ${ID} NOT NULL PRIMARY KEY,
  project_id VARCHAR(255) ${TEXT} NOT NULL,
  secret TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  cipher ${WORD(64)} NOT NULL,
  key_bits SMALLINT UNSIGNED NOT NULL,
  created_at DATETIME(6) NOT NULL
) ${OPTIONS}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(KEYS).execute(db);
  await addColumns(db, 'volumes', { encryption_key_id: `${ID} NULL` });
  for (const table of ['volumes', 'backups']) {
    await addKeys(db, table, { by_encryption_key: '(encryption_key_id)' });
  }
}
