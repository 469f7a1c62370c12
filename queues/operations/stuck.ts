import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from '#schema/tables.ts';

/**
 * Of a row of `operations` that is stuck: nobody has seen to it. What it was about (its volume, or its backup) is there, and has had no
 * operation since, or is held by it; as drift tells of it.
 */
export const UNSEEN: RawBuilder<boolean> = sql<boolean>`CASE WHEN operations.backup_id IS NULL
  THEN EXISTS (SELECT 1 FROM volumes WHERE volumes.id = operations.volume_id AND (volumes.operation_id = operations.id
    OR NOT EXISTS (SELECT 1 FROM operations AS later WHERE later.volume_id = operations.volume_id
      AND later.backup_id IS NULL AND ${isLater()})))
  ELSE EXISTS (SELECT 1 FROM backups WHERE backups.id = operations.backup_id AND (backups.operation_id = operations.id
    OR NOT EXISTS (SELECT 1 FROM operations AS later WHERE later.backup_id = operations.backup_id AND ${isLater()})))
  END`;

/**
 * Of the same: its steps or keys are asked for as long as the volume is as it left it (a retype between two encryptions, see
 * `readStuckKeys` and `os-reset_status`); the keys that nothing else names, until the volume is gone.
 */
export const NEEDED: RawBuilder<boolean> = sql<boolean>`operations.kind = 'volume.retype' AND EXISTS (SELECT 1 FROM volumes
  WHERE volumes.id = operations.volume_id AND (volumes.status IN ('error', 'error_deleting', 'deleting')
    OR JSON_CONTAINS_PATH(operations.input, 'one', '$.formerKeys')))`;

/** How many are stuck and wait for a person. */
export async function countStuck(db: Kysely<Tables>): Promise<number> {
  const { count } = await db
    .selectFrom('operations')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('state', '=', 'stuck')
    .where(UNSEEN)
    .executeTakeFirstOrThrow();
  return count;
}

function isLater(): RawBuilder<boolean> {
  return sql`(later.created_at > operations.created_at
    OR (later.created_at = operations.created_at AND later.seq_base > operations.seq_base))`;
}
