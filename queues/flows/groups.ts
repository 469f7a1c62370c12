import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { GroupId, GroupSnapshotId } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import type { Tx } from '../transaction.ts';
import type { Run } from './flow.ts';

/*
 * A group has no operation of its own. What is asked of it is asked of each of its volumes, and the transaction that ends
 * the last of those operations ends the group's work too, so no process must live to see it. Each such transaction
 * takes the group's row before it changes the volume (`hold…`): of two that end together the later sees what the earlier
 * has done.
 */

type AnyRun = Run<OperationKind, unknown>;

/** A group, or a group snapshot, and what it is made of. */
const GROUP = { table: 'volume_groups', parts: 'volumes', column: 'group_id' } as const;
const GROUP_SNAPSHOT = {
  table: 'group_snapshots',
  parts: 'snapshots',
  column: 'group_snapshot_id',
} as const;
type Whole = typeof GROUP | typeof GROUP_SNAPSHOT;

function hold(tx: Tx, { table }: Whole, id: string | undefined): void {
  if (id !== undefined)
    tx.later(sql`SELECT id FROM ${sql.table(table)} WHERE id = ${id} FOR UPDATE`.compile(tx.q));
}

/** What is in the making is what its parts are. */
function settleWhole(tx: Tx, run: AnyRun, { table, parts, column }: Whole, id: string | undefined): void {
  if (id === undefined) return;
  const anyIs = (status: string) =>
    sql`EXISTS (SELECT 1 FROM ${sql.table(parts)} WHERE ${sql.ref(column)} = ${id} AND status = ${status})`;
  tx.later(
    sql`UPDATE ${sql.table(table)} SET updated_at = ${now(run)}, status = CASE
        WHEN ${anyIs('creating')} THEN 'creating'
        WHEN ${anyIs('error')} THEN 'error'
        ELSE 'available' END
      WHERE id = ${id} AND status = 'creating'`.compile(tx.q),
  );
}

/** One of its parts could not be deleted. */
function fail(tx: Tx, run: AnyRun, { table }: Whole, id: string | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`UPDATE ${sql.table(table)} SET status = 'error_deleting', updated_at = ${now(run)}
      WHERE id = ${id} AND status = 'deleting'`.compile(tx.q),
  );
}

export const holdGroup = (tx: Tx, id: GroupId | undefined): void => hold(tx, GROUP, id);
export const holdGroupSnapshot = (tx: Tx, id: GroupSnapshotId | undefined): void =>
  hold(tx, GROUP_SNAPSHOT, id);

export const settleGroup = (tx: Tx, run: AnyRun, id: GroupId | undefined): void =>
  settleWhole(tx, run, GROUP, id);
export const settleGroupSnapshot = (tx: Tx, run: AnyRun, id: GroupSnapshotId | undefined): void =>
  settleWhole(tx, run, GROUP_SNAPSHOT, id);

export const failGroup = (tx: Tx, run: AnyRun, id: GroupId | undefined): void => fail(tx, run, GROUP, id);
export const failGroupSnapshot = (tx: Tx, run: AnyRun, id: GroupSnapshotId | undefined): void =>
  fail(tx, run, GROUP_SNAPSHOT, id);

/** A group that is being deleted goes with the last of its volumes. */
export function dropEmptyGroup(tx: Tx, id: GroupId | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`DELETE FROM volume_groups WHERE id = ${id} AND status = 'deleting'
      AND NOT EXISTS (SELECT 1 FROM volumes WHERE group_id = ${id})
      AND NOT EXISTS (SELECT 1 FROM group_snapshots WHERE group_id = ${id})`.compile(tx.q),
  );
}

export function dropEmptyGroupSnapshot(tx: Tx, id: GroupSnapshotId | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`DELETE FROM group_snapshots WHERE id = ${id} AND status = 'deleting'
      AND NOT EXISTS (SELECT 1 FROM snapshots WHERE group_snapshot_id = ${id})`.compile(tx.q),
  );
}

const now = ({ clock }: AnyRun): string => sqlTime(clock.now());
