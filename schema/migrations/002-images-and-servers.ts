import { type Kysely, sql } from 'kysely';
import { addColumns, ID, OPTIONS, TEXT, WORD } from './columns.ts';

const COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  volumes: {
    number: 'INT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE',
    source_volume_id: `${ID} NULL, ADD KEY by_source (source_volume_id)`,
    snapshot_id: `${ID} NULL, ADD KEY by_snapshot (snapshot_id)`,
    image_metadata: 'JSON NULL',
  },
  attachments: {
    boot_index: 'INT NULL',
    delete_on_termination: 'TINYINT(1) NOT NULL DEFAULT 0',
  },
  servers: {
    user_id: `VARCHAR(255) ${TEXT} NULL`,
    root_volume_id: `${ID} NULL`,
    flavor: 'JSON NULL',
    task_state: `${WORD(32)} NULL`,
    fault: `TEXT ${TEXT} NULL`,
    metadata: 'JSON NULL',
  },
};

const STATEMENTS = [
  // A server waits here for its hypervisor to be chosen.
  `ALTER TABLE servers MODIFY COLUMN host VARCHAR(255) ${TEXT} NULL`,
  `CREATE TABLE IF NOT EXISTS snapshots (
    id ${ID} PRIMARY KEY,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    user_id VARCHAR(255) ${TEXT} NOT NULL,
    volume_id ${ID} NOT NULL,
    name VARCHAR(255) ${TEXT} NULL,
    description VARCHAR(255) ${TEXT} NULL,
    size_gib INT UNSIGNED NOT NULL,
    status ${WORD(32)} NOT NULL,
    reserved TINYINT(1) NOT NULL DEFAULT 0,
    metadata JSON NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL,
    KEY by_volume (volume_id),
    KEY by_project (project_id, created_at, id),
    KEY by_age (created_at, id),
    FOREIGN KEY (volume_id) REFERENCES volumes (id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS images (
    id ${ID} PRIMARY KEY,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    name VARCHAR(255) ${TEXT} NULL,
    status ${WORD(32)} NOT NULL,
    visibility ${WORD(16)} NOT NULL,
    container_format ${WORD(32)} NULL,
    disk_format ${WORD(32)} NULL,
    size BIGINT UNSIGNED NULL,
    virtual_size BIGINT UNSIGNED NULL,
    min_disk INT UNSIGNED NOT NULL DEFAULT 0,
    min_ram INT UNSIGNED NOT NULL DEFAULT 0,
    protected TINYINT(1) NOT NULL DEFAULT 0,
    hidden TINYINT(1) NOT NULL DEFAULT 0,
    checksum CHAR(32) CHARACTER SET ascii NULL,
    os_hash_algo ${WORD(16)} NULL,
    os_hash_value ${WORD(128)} NULL,
    upload VARCHAR(255) ${TEXT} NULL,
    tags JSON NOT NULL,
    properties JSON NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    KEY by_project (project_id, created_at, id),
    KEY by_visibility (visibility, created_at, id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS flavors (
    id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    name VARCHAR(255) ${TEXT} NOT NULL,
    vcpus INT UNSIGNED NOT NULL,
    ram_mib INT UNSIGNED NOT NULL,
    disk_gib INT UNSIGNED NOT NULL,
    is_public TINYINT(1) NOT NULL DEFAULT 1,
    description TEXT ${TEXT} NULL,
    extra_specs JSON NOT NULL,
    created_at DATETIME(6) NOT NULL,
    UNIQUE KEY (name)
  ) ${OPTIONS}`,
  // The names that every OpenStack tutorial uses. No disk: servers boot from volumes.
  `INSERT IGNORE INTO flavors (id, name, vcpus, ram_mib, disk_gib, extra_specs, created_at) VALUES
    ('1', 'm1.tiny', 1, 512, 0, '{}', UTC_TIMESTAMP(6)),
    ('2', 'm1.small', 1, 2048, 0, '{}', UTC_TIMESTAMP(6)),
    ('3', 'm1.medium', 2, 4096, 0, '{}', UTC_TIMESTAMP(6)),
    ('4', 'm1.large', 4, 8192, 0, '{}', UTC_TIMESTAMP(6)),
    ('5', 'm1.xlarge', 8, 16384, 0, '{}', UTC_TIMESTAMP(6))`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, columns] of Object.entries(COLUMNS)) await addColumns(db, table, columns);
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
