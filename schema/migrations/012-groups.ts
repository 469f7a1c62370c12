import { type Kysely, sql } from 'kysely';
import { addColumns, ID, OPTIONS, TEXT, WORD } from './columns.ts';

const NAMED = `name VARCHAR(255) ${TEXT} NULL,
    description VARCHAR(255) ${TEXT} NULL`;
const TIMES = `created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL`;

/** `groups` is a reserved word in MySQL 8. */
const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS volume_type_projects (
    volume_type_id ${ID} NOT NULL,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (volume_type_id, project_id),
    KEY by_project (project_id),
    FOREIGN KEY (volume_type_id) REFERENCES volume_types (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS volume_type_encryptions (
    volume_type_id ${ID} PRIMARY KEY,
    encryption_id ${ID} NOT NULL,
    provider VARCHAR(255) ${TEXT} NOT NULL,
    control_location ${WORD(16)} NOT NULL,
    cipher VARCHAR(255) ${TEXT} NULL,
    key_size INT UNSIGNED NULL,
    ${TIMES},
    FOREIGN KEY (volume_type_id) REFERENCES volume_types (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS default_volume_types (
    project_id VARCHAR(255) ${TEXT} PRIMARY KEY,
    volume_type_id ${ID} NOT NULL,
    ${TIMES},
    FOREIGN KEY (volume_type_id) REFERENCES volume_types (id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS group_types (
    id ${ID} PRIMARY KEY,
    name VARCHAR(255) ${TEXT} NOT NULL,
    description VARCHAR(255) ${TEXT} NULL,
    is_public TINYINT(1) NOT NULL,
    group_specs JSON NOT NULL,
    ${TIMES},
    UNIQUE KEY (name)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS volume_groups (
    id ${ID} PRIMARY KEY,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    user_id VARCHAR(255) ${TEXT} NOT NULL,
    ${NAMED},
    status ${WORD(32)} NOT NULL,
    availability_zone VARCHAR(255) ${TEXT} NOT NULL,
    group_type_id ${ID} NOT NULL,
    group_snapshot_id ${ID} NULL,
    source_group_id ${ID} NULL,
    ${TIMES},
    KEY by_project (project_id, created_at, id),
    KEY by_age (created_at, id),
    FOREIGN KEY (group_type_id) REFERENCES group_types (id)
  ) ${OPTIONS}`,
  // The volume types that a group takes.
  `CREATE TABLE IF NOT EXISTS volume_group_types (
    group_id ${ID} NOT NULL,
    volume_type_id ${ID} NOT NULL,
    PRIMARY KEY (group_id, volume_type_id),
    FOREIGN KEY (group_id) REFERENCES volume_groups (id) ON DELETE CASCADE,
    FOREIGN KEY (volume_type_id) REFERENCES volume_types (id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS group_snapshots (
    id ${ID} PRIMARY KEY,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    user_id VARCHAR(255) ${TEXT} NOT NULL,
    ${NAMED},
    status ${WORD(32)} NOT NULL,
    group_id ${ID} NOT NULL,
    group_type_id ${ID} NOT NULL,
    ${TIMES},
    KEY by_project (project_id, created_at, id),
    KEY by_age (created_at, id),
    FOREIGN KEY (group_id) REFERENCES volume_groups (id),
    FOREIGN KEY (group_type_id) REFERENCES group_types (id)
  ) ${OPTIONS}`,
  // A volume that is offered to another project; the row goes when it has been accepted.
  `CREATE TABLE IF NOT EXISTS volume_transfers (
    id ${ID} PRIMARY KEY,
    volume_id ${ID} NOT NULL,
    source_project_id VARCHAR(255) ${TEXT} NOT NULL,
    name VARCHAR(255) ${TEXT} NULL,
    salt CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    key_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    no_snapshots TINYINT(1) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    UNIQUE KEY by_volume (volume_id),
    KEY by_project (source_project_id, created_at, id),
    FOREIGN KEY (volume_id) REFERENCES volumes (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  // As in Cinder there is a type from the start, and every volume is of some type.
  `INSERT IGNORE INTO volume_types (id, name, description, is_public, extra_specs, created_at)
    VALUES (UUID(), '__DEFAULT__', 'Default Volume Type', 1, '{}', UTC_TIMESTAMP(6))`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  await addColumns(db, 'volumes', { group_id: `${ID} NULL, ADD KEY by_group (group_id)` });
  await addColumns(db, 'snapshots', {
    group_snapshot_id: `${ID} NULL, ADD KEY by_group_snapshot (group_snapshot_id)`,
  });
}
