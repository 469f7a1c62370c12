import { type Kysely, sql } from 'kysely';

/** ASCII ids compare by bytes; names and descriptions are anything, compared by bytes as Cinder's clients expect. */
const TEXT = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';
const ID = 'CHAR(36) CHARACTER SET ascii COLLATE ascii_bin';
const WORD = (length: number): string => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`;
const OPTIONS = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** One statement per table: MySQL commits each DDL by itself, so a migration that failed halfway runs again. */
const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS qos_specs (
    id ${ID} PRIMARY KEY,
    name VARCHAR(255) ${TEXT} NOT NULL,
    consumer ${WORD(16)} NOT NULL,
    specs JSON NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL,
    UNIQUE KEY (name)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS volume_types (
    id ${ID} PRIMARY KEY,
    name VARCHAR(255) ${TEXT} NOT NULL,
    description VARCHAR(255) ${TEXT} NULL,
    is_public TINYINT(1) NOT NULL,
    qos_specs_id ${ID} NULL,
    extra_specs JSON NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL,
    UNIQUE KEY (name),
    FOREIGN KEY (qos_specs_id) REFERENCES qos_specs (id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS volumes (
    id ${ID} PRIMARY KEY,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    user_id VARCHAR(255) ${TEXT} NOT NULL,
    name VARCHAR(255) ${TEXT} NULL,
    description VARCHAR(255) ${TEXT} NULL,
    size_gib INT UNSIGNED NOT NULL,
    status ${WORD(32)} NOT NULL,
    availability_zone VARCHAR(255) ${TEXT} NOT NULL,
    pool VARCHAR(255) ${TEXT} NULL,
    volume_type_id ${ID} NULL,
    bootable TINYINT(1) NOT NULL DEFAULT 0,
    multiattach TINYINT(1) NOT NULL DEFAULT 0,
    metadata JSON NOT NULL,
    seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
    operation_id ${ID} NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL,
    KEY by_project (project_id, created_at, id),
    KEY by_age (created_at, id),
    KEY by_pool (pool),
    KEY by_type (volume_type_id),
    FOREIGN KEY (volume_type_id) REFERENCES volume_types (id)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS attachments (
    id ${ID} PRIMARY KEY,
    volume_id ${ID} NOT NULL,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    server_id ${ID} NULL,
    status ${WORD(32)} NOT NULL,
    host VARCHAR(255) ${TEXT} NULL,
    managed TINYINT(1) NOT NULL,
    mountpoint VARCHAR(255) ${TEXT} NULL,
    mode CHAR(2) NOT NULL,
    connector JSON NULL,
    connection JSON NULL,
    initiator VARCHAR(255) ${TEXT} NULL,
    chap_username VARCHAR(255) ${TEXT} NULL,
    chap_secret VARCHAR(255) ${TEXT} NULL,
    attached_at DATETIME(6) NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL,
    KEY by_volume (volume_id),
    KEY by_server (server_id),
    KEY by_project (project_id, created_at, id),
    FOREIGN KEY (volume_id) REFERENCES volumes (id)
  ) ${OPTIONS}`,
  // Operations outlive their volume: no foreign key, their timeline is the history.
  `CREATE TABLE IF NOT EXISTS operations (
    id ${ID} PRIMARY KEY,
    kind ${WORD(64)} NOT NULL,
    state ${WORD(16)} NOT NULL,
    project_id VARCHAR(255) ${TEXT} NOT NULL,
    user_id VARCHAR(255) ${TEXT} NOT NULL,
    request_id VARCHAR(64) ${TEXT} NOT NULL,
    volume_id ${ID} NOT NULL,
    attachment_id ${ID} NULL,
    input JSON NOT NULL,
    epoch INT UNSIGNED NOT NULL DEFAULT 0,
    owner VARCHAR(255) ${TEXT} NULL,
    seq_base BIGINT UNSIGNED NOT NULL,
    error TEXT ${TEXT} NULL,
    created_at DATETIME(6) NOT NULL,
    started_at DATETIME(6) NULL,
    ended_at DATETIME(6) NULL,
    KEY by_state (state, created_at),
    KEY by_volume (volume_id, created_at),
    KEY by_project (project_id, created_at)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS operation_steps (
    operation_id ${ID} NOT NULL,
    position INT UNSIGNED NOT NULL,
    name ${WORD(64)} NOT NULL,
    direction ${WORD(8)} NOT NULL,
    host VARCHAR(255) ${TEXT} NOT NULL,
    state ${WORD(16)} NOT NULL,
    attempt INT UNSIGNED NOT NULL,
    output JSON NULL,
    error TEXT ${TEXT} NULL,
    started_at DATETIME(6) NOT NULL,
    ended_at DATETIME(6) NULL,
    PRIMARY KEY (operation_id, position),
    FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS services (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    \`binary\` ${WORD(32)} NOT NULL,
    host VARCHAR(255) ${TEXT} NOT NULL,
    agent VARCHAR(255) ${TEXT} NOT NULL,
    availability_zone VARCHAR(255) ${TEXT} NOT NULL,
    disabled TINYINT(1) NOT NULL DEFAULT 0,
    disabled_reason VARCHAR(255) ${TEXT} NULL,
    version VARCHAR(64) ${TEXT} NOT NULL,
    boot_id VARCHAR(64) ${TEXT} NOT NULL,
    details JSON NOT NULL,
    last_seen_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NULL,
    UNIQUE KEY (\`binary\`, host)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS pools (
    name VARCHAR(255) ${TEXT} PRIMARY KEY,
    service_host VARCHAR(255) ${TEXT} NOT NULL,
    agent VARCHAR(255) ${TEXT} NOT NULL,
    backend_name VARCHAR(255) ${TEXT} NOT NULL,
    availability_zone VARCHAR(255) ${TEXT} NOT NULL,
    capabilities JSON NOT NULL,
    total_gib DOUBLE NOT NULL,
    free_gib DOUBLE NOT NULL,
    reserved_percentage INT NOT NULL,
    max_over_subscription_ratio DOUBLE NOT NULL,
    thin TINYINT(1) NOT NULL,
    allocated_gib BIGINT NOT NULL DEFAULT 0,
    volume_count INT NOT NULL DEFAULT 0,
    reported_at DATETIME(6) NOT NULL
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS servers (
    id ${ID} PRIMARY KEY,
    host VARCHAR(255) ${TEXT} NOT NULL,
    project_id VARCHAR(255) ${TEXT} NULL,
    name VARCHAR(255) ${TEXT} NOT NULL,
    status ${WORD(32)} NOT NULL,
    vcpus INT NOT NULL,
    memory_mib INT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    KEY by_project (project_id, created_at, id),
    KEY by_host (host)
  ) ${OPTIONS}`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
