import { type Kysely, sql } from 'kysely';
import type { Tables } from '#schema/tables.ts';
import { fill } from '../../../bench/scale/fill.ts';

/** Has a fifth of everything. */
export const LARGEST = 'the-largest';
export const TOTAL = 6_000;

/** Volumes, and of everything that has a list of its own one for each of them; of every tenth something has failed. */
const STATEMENTS = [
  `INSERT INTO backups (id, project_id, user_id, volume_id, name, size_gib, status, repository, data_id, metadata,
      volume_details, data_timestamp, created_at)
    SELECT UUID(), project_id, user_id, id, CONCAT('of-', name), size_gib, IF(status = 'error', 'error', 'available'), id, UUID(), '{}',
      '{}', created_at, created_at FROM volumes`,
  'DELETE FROM snapshots',
  `INSERT INTO snapshots (id, project_id, user_id, volume_id, name, size_gib, status, metadata, created_at)
    SELECT UUID(), project_id, user_id, id, CONCAT('of-', name), size_gib, IF(status = 'error', 'error', 'available'), '{}', created_at
    FROM volumes`,
  'DELETE FROM attachments',
  `INSERT INTO attachments (id, volume_id, project_id, server_id, status, host, managed, mode, attached_at, created_at)
    SELECT UUID(), id, project_id, UUID(), IF(status = 'error', 'error_detaching', 'attached'), CONCAT('comp', number % 100), 0, 'rw',
      created_at, created_at FROM volumes`,
  `INSERT INTO volume_transfers (id, volume_id, source_project_id, name, salt, key_hash, no_snapshots, created_at)
    SELECT UUID(), id, project_id, CONCAT('of-', name), '', '', 0, created_at FROM volumes`,
  "INSERT INTO group_types (id, name, is_public, group_specs, created_at) VALUES (UUID(), 'groups', 1, '{}', UTC_TIMESTAMP(6))",
  `INSERT INTO volume_groups (id, project_id, user_id, name, status, availability_zone, group_type_id, created_at)
    SELECT UUID(), project_id, user_id, CONCAT('of-', name), IF(status = 'error', 'error', 'available'), 'nova',
      (SELECT id FROM group_types WHERE name = 'groups'), created_at FROM volumes`,
  `INSERT INTO group_snapshots (id, project_id, user_id, name, status, group_id, group_type_id, created_at)
    SELECT UUID(), project_id, user_id, name, status, id, group_type_id, created_at FROM volume_groups`,
  // A sixth of them, that hypervisors had before, are nobody's.
  `INSERT INTO servers (id, project_id, name, host, status, vcpus, memory_mib, created_at, updated_at)
    SELECT UUID(), IF(number % 6 = 0, NULL, project_id), CONCAT('of-', name), CONCAT('comp', number % 100),
      IF(status = 'error', 'ERROR', 'ACTIVE'), 1, 1, created_at, created_at FROM volumes`,
  `UPDATE operations AS o JOIN volumes AS v ON v.id = o.volume_id
    SET o.state = IF(v.number % 20 < 10, 'undone', 'stuck'), o.error = 'It failed' WHERE v.number % 10 < 5`,
  `ANALYZE TABLE snapshots, backups, attachments, volume_transfers, volume_groups, group_snapshots, servers, operations`,
];

/** @param db migrated and empty. */
export async function fillAll(db: Kysely<Tables>): Promise<void> {
  await fill(db, { volumes: TOTAL, projects: 50, largest: LARGEST });
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

/** Rows that MySQL has read for this session, indexes and temporary tables included: they depend on no machine. */
export async function rowsRead(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ Value: string }>`SHOW SESSION STATUS LIKE 'Handler_read%'`.execute(db);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}
