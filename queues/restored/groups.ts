import { type Kysely, sql } from 'kysely';
import type { Tables } from '#schema/tables.ts';

/** Groups, and group snapshots, and what they are made of. */
const WHOLES = [
  { table: 'volume_groups', parts: 'volumes', column: 'group_id', volume: 'id' },
  { table: 'group_snapshots', parts: 'snapshots', column: 'group_snapshot_id', volume: 'volume_id' },
] as const;

/**
 * The end of an operation settles the group that it is for (queues/flows/groups.ts), but here they were ended without it: what nobody
 * makes or deletes any more is what its parts are by now. Not where one is held: its work may go on yet.
 */
export async function settleGroups(db: Kysely<Tables>, now: string): Promise<void> {
  for (const each of WHOLES) {
    const [table, parts] = [sql.table(each.table), sql.table(each.parts)];
    const part = sql`SELECT 1 FROM ${parts} AS part WHERE part.${sql.ref(each.column)} = ${table}.id`;
    const held = sql`SELECT 1 FROM volumes AS v JOIN operations AS o ON o.id = v.operation_id
      WHERE v.id = part.${sql.ref(each.volume)} AND o.state = 'stuck'`;
    // One part that stays is enough: with the last of the others the whole would not go.
    await sql`UPDATE ${table} SET updated_at = ${now}, status = CASE
        WHEN status = 'deleting' THEN 'error_deleting'
        WHEN EXISTS (${part} AND part.status = 'error') THEN 'error'
        ELSE 'available' END
      WHERE (status = 'creating' AND NOT EXISTS (${part} AND (part.status = 'creating' OR EXISTS (${held}))))
        OR (status = 'deleting' AND (NOT EXISTS (${part})
          OR EXISTS (${part} AND part.status <> 'deleting' AND NOT EXISTS (${held}))))`.execute(db);
  }
}
