import { type Kysely, sql } from 'kysely';
import { addColumns, ID, OPTIONS, TEXT, WORD } from './columns.ts';

/** Backups outlive their volume, and may come from another installation: no foreign keys. */
const TABLE = `CREATE TABLE IF NOT EXISTS backups (
  id ${ID} PRIMARY KEY,
  project_id VARCHAR(255) ${TEXT} NOT NULL,
  user_id VARCHAR(255) ${TEXT} NOT NULL,
  volume_id ${ID} NOT NULL,
  snapshot_id ${ID} NULL,
  parent_id ${ID} NULL,
  name VARCHAR(255) ${TEXT} NULL,
  description VARCHAR(255) ${TEXT} NULL,
  size_gib INT UNSIGNED NOT NULL,
  status ${WORD(32)} NOT NULL,
  availability_zone VARCHAR(255) ${TEXT} NULL,
  container VARCHAR(255) ${TEXT} NULL,
  host VARCHAR(255) ${TEXT} NULL,
  store ${WORD(64)} NULL,
  repository ${ID} NOT NULL,
  data_id ${ID} NOT NULL,
  object_count INT UNSIGNED NOT NULL DEFAULT 0,
  fail_reason TEXT ${TEXT} NULL,
  metadata JSON NOT NULL,
  volume_details JSON NOT NULL,
  data_timestamp DATETIME(6) NOT NULL,
  restore_volume_id ${ID} NULL,
  encryption_key_id ${ID} NULL,
  seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  operation_id ${ID} NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NULL,
  KEY by_project (project_id, created_at, id),
  KEY by_age (created_at, id),
  KEY by_volume (volume_id, data_timestamp),
  KEY by_parent (parent_id),
  KEY by_data (data_id)
) ${OPTIONS}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(TABLE).execute(db);
  await addColumns(db, 'operations', { backup_id: `${ID} NULL, ADD KEY by_backup (backup_id)` });
}
