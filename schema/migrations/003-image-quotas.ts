import { type Kysely, sql } from 'kysely';
import { OPTIONS, TEXT } from './columns.ts';

/** A row per project, locked while the bytes of its images are counted: of two uploads that end together one counts the other. */
const TABLE = `CREATE TABLE IF NOT EXISTS image_quotas (
  project_id VARCHAR(255) ${TEXT} PRIMARY KEY
) ${OPTIONS}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(TABLE).execute(db);
}
