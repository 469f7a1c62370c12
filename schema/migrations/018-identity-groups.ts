import { type Kysely, sql } from 'kysely';
import { OPTIONS, TEXT, WORD } from './columns.ts';

/** As in 007. */
const ID = WORD(64);

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS identity_groups (
    id ${ID} PRIMARY KEY,
    domain_id ${ID} NOT NULL,
    name VARCHAR(255) ${TEXT} NOT NULL,
    description TEXT ${TEXT} NOT NULL,
    UNIQUE KEY (domain_id, name),
    FOREIGN KEY (domain_id) REFERENCES identity_domains (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_group_members (
    group_id ${ID} NOT NULL,
    user_id ${ID} NOT NULL,
    PRIMARY KEY (group_id, user_id),
    KEY by_user (user_id),
    FOREIGN KEY (group_id) REFERENCES identity_groups (id) ON DELETE CASCADE,
    FOREIGN KEY (user_id) REFERENCES identity_users (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  `CREATE TABLE IF NOT EXISTS identity_group_assignments (
    group_id ${ID} NOT NULL,
    scope ${WORD(8)} NOT NULL,
    scope_id ${ID} NOT NULL,
    role_id ${ID} NOT NULL,
    PRIMARY KEY (group_id, scope, scope_id, role_id),
    KEY by_scope (scope, scope_id),
    FOREIGN KEY (group_id) REFERENCES identity_groups (id) ON DELETE CASCADE,
    FOREIGN KEY (role_id) REFERENCES identity_roles (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
];

/** Users who are given roles together. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
