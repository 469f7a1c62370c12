import { type Kysely, sql } from 'kysely';
import { OPTIONS, TEXT, WORD } from './columns.ts';

/** Keystone's ids: 32 hexadecimal digits, or a word such as `default`. */
const ID = WORD(64);
const NAME = `VARCHAR(255) ${TEXT} NOT NULL`;

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS identity_domains (
    id ${ID} PRIMARY KEY,
    name ${NAME},
    description TEXT ${TEXT} NOT NULL,
    enabled TINYINT(1) NOT NULL,
    UNIQUE KEY (name)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_projects (
    id ${ID} PRIMARY KEY,
    domain_id ${ID} NOT NULL,
    name ${NAME},
    description TEXT ${TEXT} NOT NULL,
    enabled TINYINT(1) NOT NULL,
    UNIQUE KEY (domain_id, name),
    FOREIGN KEY (domain_id) REFERENCES identity_domains (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_users (
    id ${ID} PRIMARY KEY,
    domain_id ${ID} NOT NULL,
    name ${NAME},
    description TEXT ${TEXT} NULL,
    email VARCHAR(255) ${TEXT} NULL,
    enabled TINYINT(1) NOT NULL,
    default_project_id ${ID} NULL,
    password VARCHAR(255) ${TEXT} NULL,
    epoch INT UNSIGNED NOT NULL DEFAULT 0,
    failures INT UNSIGNED NOT NULL DEFAULT 0,
    locked_until DATETIME(6) NULL,
    UNIQUE KEY (domain_id, name),
    FOREIGN KEY (domain_id) REFERENCES identity_domains (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_roles (
    id ${ID} PRIMARY KEY,
    name ${NAME},
    description TEXT ${TEXT} NULL,
    UNIQUE KEY (name)
  ) ${OPTIONS}`,
  // A scope is one of three tables, or the system as a whole: no foreign key, its deletion takes these rows along.
  `CREATE TABLE IF NOT EXISTS identity_assignments (
    user_id ${ID} NOT NULL,
    scope ${WORD(8)} NOT NULL,
    scope_id ${ID} NOT NULL,
    role_id ${ID} NOT NULL,
    PRIMARY KEY (user_id, scope, scope_id, role_id),
    KEY by_scope (scope, scope_id),
    FOREIGN KEY (user_id) REFERENCES identity_users (id) ON DELETE CASCADE,
    FOREIGN KEY (role_id) REFERENCES identity_roles (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_revocations (
    audit_id ${WORD(32)} PRIMARY KEY,
    expires_at DATETIME(6) NOT NULL,
    KEY by_end (expires_at)
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_generation (
    id TINYINT NOT NULL PRIMARY KEY,
    generation BIGINT UNSIGNED NOT NULL
  ) ${OPTIONS}`,
  'INSERT IGNORE INTO identity_generation (id, generation) VALUES (1, 0)',
];

/** What Keystone would keep: empty unless the api is its own identity service. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
