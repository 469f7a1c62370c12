import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import { type SnapshotStatus, snapshotStatusesBefore } from '#schema/states.ts';
import type { Tx } from '../transaction.ts';
import type { Facts } from './facts.ts';
import type { Run } from './flow.ts';

type Kind = 'snapshot.create' | 'snapshot.delete' | 'snapshot.manage' | 'snapshot.unmanage' | 'volume.revert';

export function setSnapshot(tx: Tx, run: Run<Kind, unknown>, status: SnapshotStatus): void {
  tx.later(
    tx.q
      .updateTable('snapshots')
      .set({ status, updated_at: sqlTime(run.clock.now()) })
      .where('id', '=', run.facts.input.snapshotId)
      .where('status', 'in', snapshotStatusesBefore(status)),
  );
}

/** Gives the snapshot's room back to its pool, once: a snapshot that failed has none. */
export function releaseSnapshot(tx: Tx, { volume, input }: Facts<Kind>): void {
  tx.later(
    sql`UPDATE pools, snapshots
      SET pools.allocated_gib = pools.allocated_gib - CAST(snapshots.size_gib AS SIGNED),
        pools.free_gib = IF(pools.thin, pools.free_gib, pools.free_gib + snapshots.size_gib),
        snapshots.reserved = 0
      WHERE pools.name = ${volume.pool} AND snapshots.id = ${input.snapshotId} AND snapshots.reserved = 1`.compile(
      tx.q,
    ),
  );
}

/** It is counted no longer, once; it stays where it is, so nothing gets free. */
export function forgetSnapshot(tx: Tx, { volume, input }: Facts<Kind>): void {
  tx.later(
    sql`UPDATE pools, snapshots
      SET pools.allocated_gib = pools.allocated_gib - CAST(snapshots.size_gib AS SIGNED), snapshots.reserved = 0
      WHERE pools.name = ${volume.pool} AND snapshots.id = ${input.snapshotId} AND snapshots.reserved = 1`.compile(
      tx.q,
    ),
  );
}
