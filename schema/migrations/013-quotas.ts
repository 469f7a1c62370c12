import { type Kysely, sql } from 'kysely';
import { addColumns, addKeys, dropKey, ID, OPTIONS, TEXT, WORD } from './columns.ts';

const STATEMENTS = [
  // `volume_type_id` is empty for what is limited over all types. No foreign key: an empty one names none.
  `CREATE TABLE IF NOT EXISTS quota_limits (
    owner VARCHAR(300) ${TEXT} NOT NULL,
    resource ${WORD(32)} NOT NULL,
    volume_type_id ${ID} NOT NULL DEFAULT '',
    hard_limit INT NOT NULL,
    PRIMARY KEY (owner, resource, volume_type_id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS quota_locks (
    project_id VARCHAR(255) ${TEXT} PRIMARY KEY
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS quota_holds (
    operation_id ${ID} NOT NULL,
    resource ${WORD(32)} NOT NULL,
    volume_type_id ${ID} NOT NULL DEFAULT '',
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    amount INT UNSIGNED NOT NULL,
    PRIMARY KEY (operation_id, resource, volume_type_id),
    KEY by_project (project_id),
    FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
];

/** What a project uses is counted, and pages of lists are found, in these alone. */
const KEYS = {
  volumes: {
    by_usage: '(project_id, volume_type_id, size_gib)',
    by_name: '(name, created_at, id)',
    by_status: '(status, created_at, id)',
    by_type_age: '(volume_type_id, created_at, id)',
  },
  servers: { by_age: '(created_at, id)' },
  services: { by_agent: '(`binary`, agent)' },
  snapshots: { by_usage: '(project_id, volume_id, size_gib)' },
} as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  await addColumns(db, 'services', { frozen: 'TINYINT(1) NOT NULL DEFAULT 0' });
  for (const [table, keys] of Object.entries(KEYS)) await addKeys(db, table, keys);
  // The foreign key has the longer one now.
  await dropKey(db, 'volumes', 'by_type');
}
