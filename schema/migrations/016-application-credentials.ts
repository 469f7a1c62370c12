import { type Kysely, sql } from 'kysely';
import { OPTIONS, TEXT, WORD } from './columns.ts';

/** As in 007. */
const ID = WORD(64);

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS identity_application_credentials (
    id ${ID} PRIMARY KEY,
    user_id ${ID} NOT NULL,
    project_id ${ID} NOT NULL,
    name VARCHAR(255) ${TEXT} NOT NULL,
    description TEXT ${TEXT} NULL,
    secret VARCHAR(255) ${TEXT} NOT NULL,
    unrestricted TINYINT(1) NOT NULL,
    expires_at DATETIME(6) NULL,
    failures INT UNSIGNED NOT NULL DEFAULT 0,
    locked_until DATETIME(6) NULL,
    UNIQUE KEY (user_id, name),
    KEY by_project (project_id),
    FOREIGN KEY (user_id) REFERENCES identity_users (id) ON DELETE CASCADE,
    FOREIGN KEY (project_id) REFERENCES identity_projects (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_application_credential_roles (
    credential_id ${ID} NOT NULL,
    role_id ${ID} NOT NULL,
    PRIMARY KEY (credential_id, role_id),
    KEY by_role (role_id),
    FOREIGN KEY (credential_id) REFERENCES identity_application_credentials (id) ON DELETE CASCADE,
    FOREIGN KEY (role_id) REFERENCES identity_roles (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
];

/** What programs log in with in a user's name. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
