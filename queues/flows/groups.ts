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

export function holdGroup(tx: Tx, id: GroupId | undefined): void {
  if (id !== undefined)
    tx.later(tx.q.selectFrom('volume_groups').select('id').where('id', '=', id).forUpdate());
}

/** A group in the making is what its volumes are. */
export function settleGroup(tx: Tx, run: AnyRun, id: GroupId | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`UPDATE volume_groups SET updated_at = ${now(run)}, status = CASE
        WHEN EXISTS (SELECT 1 FROM volumes WHERE group_id = ${id} AND status = 'creating') THEN 'creating'
        WHEN EXISTS (SELECT 1 FROM volumes WHERE group_id = ${id} AND status = 'error') THEN 'error'
        ELSE 'available' END
      WHERE id = ${id} AND status = 'creating'`.compile(tx.q),
  );
}

/** A group that is being deleted goes with the last of its volumes. */
export function dropEmptyGroup(tx: Tx, id: GroupId | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`DELETE FROM volume_groups WHERE id = ${id} AND status = 'deleting'
      AND NOT EXISTS (SELECT 1 FROM volumes WHERE group_id = ${id})
      AND NOT EXISTS (SELECT 1 FROM group_snapshots WHERE group_id = ${id})`.compile(tx.q),
  );
}

/** One of its volumes could not be deleted. */
export function failGroup(tx: Tx, run: AnyRun, id: GroupId | undefined): void {
  if (id === undefined) return;
  tx.later(
    tx.q
      .updateTable('volume_groups')
      .set({ status: 'error_deleting', updated_at: now(run) })
      .where('id', '=', id)
      .where('status', '=', 'deleting'),
  );
}

export function holdGroupSnapshot(tx: Tx, id: GroupSnapshotId | undefined): void {
  if (id === undefined) return;
  tx.later(tx.q.selectFrom('group_snapshots').select('id').where('id', '=', id).forUpdate());
}

/** A group snapshot in the making is what its snapshots are. */
export function settleGroupSnapshot(tx: Tx, run: AnyRun, id: GroupSnapshotId | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`UPDATE group_snapshots SET updated_at = ${now(run)}, status = CASE
        WHEN EXISTS (SELECT 1 FROM snapshots WHERE group_snapshot_id = ${id} AND status = 'creating') THEN 'creating'
        WHEN EXISTS (SELECT 1 FROM snapshots WHERE group_snapshot_id = ${id} AND status = 'error') THEN 'error'
        ELSE 'available' END
      WHERE id = ${id} AND status = 'creating'`.compile(tx.q),
  );
}

export function dropEmptyGroupSnapshot(tx: Tx, id: GroupSnapshotId | undefined): void {
  if (id === undefined) return;
  tx.later(
    sql`DELETE FROM group_snapshots WHERE id = ${id} AND status = 'deleting'
      AND NOT EXISTS (SELECT 1 FROM snapshots WHERE group_snapshot_id = ${id})`.compile(tx.q),
  );
}

export function failGroupSnapshot(tx: Tx, run: AnyRun, id: GroupSnapshotId | undefined): void {
  if (id === undefined) return;
  tx.later(
    tx.q
      .updateTable('group_snapshots')
      .set({ status: 'error_deleting', updated_at: now(run) })
      .where('id', '=', id)
      .where('status', '=', 'deleting'),
  );
}

const now = ({ clock }: AnyRun): string => sqlTime(clock.now());
