import { type Kysely, sql } from 'kysely';
import { ID, OPTIONS, TEXT, WORD } from './columns.ts';

const TABLE = `CREATE TABLE IF NOT EXISTS image_members (
  image_id ${ID} NOT NULL,
  member VARCHAR(255) ${TEXT} NOT NULL,
  status ${WORD(16)} NOT NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (image_id, member),
  KEY by_member (member, status),
  FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE
) ${OPTIONS}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(TABLE).execute(db);
}
