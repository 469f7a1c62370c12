import { type Kysely, sql } from 'kysely';
import { ID, OPTIONS, TEXT } from './columns.ts';

/** No foreign key: a volume may be deleted while the host that had it is still away. */
const TABLE = `CREATE TABLE IF NOT EXISTS evictions (
  id ${ID} PRIMARY KEY,
  volume_id ${ID} NOT NULL,
  server_id ${ID} NOT NULL,
  host VARCHAR(255) ${TEXT} NOT NULL,
  root TINYINT(1) NOT NULL DEFAULT 0,
  connection JSON NULL,
  seq BIGINT UNSIGNED NOT NULL,
  operation_id ${ID} NOT NULL,
  error TEXT ${TEXT} NULL,
  created_at DATETIME(6) NOT NULL,
  KEY by_host (host, volume_id),
  KEY by_volume (volume_id)
) ${OPTIONS}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(TABLE).execute(db);
}
