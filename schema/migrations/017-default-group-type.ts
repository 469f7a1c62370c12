import { type Kysely, sql } from 'kysely';

/** Cinder has this type from the start, for what were consistency groups; clients see it in lists. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`INSERT IGNORE INTO group_types (id, name, description, is_public, group_specs, created_at)
    VALUES (UUID(), 'default_cgsnapshot_type', 'Default group type for migrating cgsnapshot', 1,
      '{"consistent_group_snapshot_enabled": "<is> True"}', UTC_TIMESTAMP(6))`.execute(db);
}
