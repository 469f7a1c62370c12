import { type Kysely, sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { PoolName, VolumeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { transact } from '../database.ts';
import { RESERVING } from './database.ts';

/** Nothing has been changed: it would not last. */
export class StillMoving extends Error {
  override readonly name = 'StillMoving';
}

/** Counts what a pool's volumes and snapshots have reserved; nothing reserves there meanwhile. @throws StillMoving */
export async function recount(db: Kysely<Tables>, pool: string): Promise<void> {
  const name = pool as PoolName;
  await transact(db, async (trx) => {
    // Every reservation changes this row in the transaction that also changes what it is for.
    await trx.selectFrom('pools').select('name').where('name', '=', name).forUpdate().execute();
    const moving = await trx
      .selectFrom('operations')
      .innerJoin('volumes', 'volumes.id', 'operations.volume_id')
      .select('operations.id')
      .where('volumes.pool', '=', name)
      .where('operations.state', 'in', OPEN_OPERATION_STATES)
      .where('operations.kind', 'in', [...RESERVING])
      .executeTakeFirst();
    const coming = await trx
      .selectFrom('operations')
      .innerJoin('volumes', 'volumes.id', 'operations.volume_id')
      .innerJoin('operation_steps', 'operation_steps.operation_id', 'operations.id')
      .select('operations.id')
      .where('operations.state', 'in', OPEN_OPERATION_STATES)
      .where('operations.kind', 'in', ['volume.migrate', 'volume.retype'])
      .where('operation_steps.name', '=', 'place')
      .where('operation_steps.direction', '=', 'do')
      .where(sql`JSON_VALUE(operation_steps.output, '$.to')`, '=', name)
      .where((eb) => eb.or([eb('volumes.pool', 'is', null), eb('volumes.pool', '!=', name)]))
      .executeTakeFirst();
    // An extension reserves what its volume's size says only when it ends.
    const working = moving ?? coming;
    if (working !== undefined) throw new StillMoving(`Operation ${working.id} is at work in the pool.`);
    await sql`UPDATE pools SET
        allocated_gib = (SELECT COALESCE(SUM(size_gib), 0) FROM volumes WHERE pool = ${name})
          + (SELECT COALESCE(SUM(snapshots.size_gib), 0) FROM snapshots
             JOIN volumes ON volumes.id = snapshots.volume_id
             WHERE volumes.pool = ${name} AND snapshots.reserved = 1),
        volume_count = (SELECT COUNT(*) FROM volumes WHERE pool = ${name})
      WHERE name = ${name}`.execute(trx);
  });
}

/**
 * Takes a volume from an operation that has ended, or never was, and gives it to the next that waits for it; not one that `restored`
 * has left and holds.
 */
export async function letGo(db: Kysely<Tables>, id: VolumeId): Promise<void> {
  await sql`UPDATE volumes SET operation_id = (SELECT next.id FROM operations AS next WHERE next.volume_id = ${id} AND next.backup_id IS NULL
      AND next.state IN (${sql.join(OPEN_OPERATION_STATES)}) ORDER BY next.seq_base LIMIT 1)
    WHERE id = ${id} AND operation_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM operations AS mine
      WHERE mine.id = volumes.operation_id AND (mine.state IN (${sql.join(OPEN_OPERATION_STATES)})
        OR (mine.state = 'stuck' AND mine.kind = 'volume.repair')))`.execute(db);
}

/** Gives a volume that no operation holds the status that its attachments make of it. */
export async function settleStatus(db: Kysely<Tables>, clock: Clock, id: VolumeId): Promise<void> {
  await sql`UPDATE volumes SET updated_at = ${sqlTime(clock.now())},
      status = CASE (SELECT MAX(CASE a.status WHEN 'reserved' THEN 1 WHEN 'attaching' THEN 2 ELSE 3 END)
        FROM attachments AS a WHERE a.volume_id = ${id})
      WHEN 3 THEN 'in-use' WHEN 2 THEN 'attaching' WHEN 1 THEN 'reserved' ELSE 'available' END
    WHERE id = ${id} AND operation_id IS NULL AND status NOT IN ('creating', 'managing', 'deleting')
      AND NOT EXISTS (SELECT 1 FROM operations AS open WHERE open.volume_id = ${id}
        AND open.state IN (${sql.join(OPEN_OPERATION_STATES)}))`.execute(db);
}
