import { type Kysely, sql } from 'kysely';
import { addColumns, OPTIONS, WORD } from './columns.ts';

/** As in 007. */
const ID = WORD(64);
const IMMUTABLE = { immutable: 'TINYINT(1) NULL' };

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS identity_role_implications (
    prior_role_id ${ID} NOT NULL,
    implied_role_id ${ID} NOT NULL,
    PRIMARY KEY (prior_role_id, implied_role_id),
    FOREIGN KEY (prior_role_id) REFERENCES identity_roles (id) ON DELETE CASCADE,
    FOREIGN KEY (implied_role_id) REFERENCES identity_roles (id) ON DELETE CASCADE
  ) ${OPTIONS}`,
  // What went without saying until now; new installations get it with the roles.
  `INSERT IGNORE INTO identity_role_implications (prior_role_id, implied_role_id)
    SELECT prior.id, implied.id FROM identity_roles AS prior, identity_roles AS implied
    WHERE (prior.name, implied.name) IN (('admin', 'member'), ('member', 'reader'))`,
  `UPDATE identity_roles SET immutable = 1
    WHERE immutable IS NULL AND name IN ('admin', 'member', 'reader', 'service')`,
];

/** Roles that imply others, what must not be changed, and what projects are labelled with. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await addColumns(db, 'identity_roles', IMMUTABLE);
  await addColumns(db, 'identity_domains', IMMUTABLE);
  await addColumns(db, 'identity_projects', { ...IMMUTABLE, tags: 'JSON NULL', extra: 'JSON NULL' });
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
