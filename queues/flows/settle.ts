import { type RawBuilder, sql, type Updateable } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { VolumeId } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import {
  type AttachmentStatus,
  attachmentStatusesBefore,
  type VolumeStatus,
  volumeStatusesBefore,
} from '#schema/states.ts';
import type { Tables, VolumesTable } from '#schema/tables.ts';
import type { Tx } from '../transaction.ts';
import type { Run } from './flow.ts';

/** `by-attachments`: what those that there are by now make of it; null leaves it as it is. */
export type NextStatus = VolumeStatus | 'by-attachments' | null;

export type Changes = Pick<
  Updateable<VolumesTable>,
  | 'size_gib'
  | 'pool'
  | 'image_metadata'
  | 'volume_type_id'
  | 'multiattach'
  | 'migration_status'
  | 'encryption_key_id'
>;

/**
 * Gives the volume its next status and lets go of it: the oldest operation that waits for it, if any, is the next
 * holder. A status that has meanwhile become another's (an extend that waits in line) is left as it is.
 */
export function settle(
  tx: Tx,
  run: Run<OperationKind, unknown>,
  status: NextStatus,
  changes: Changes = {},
): void {
  const { volume, operation } = run.facts;
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({
        ...changes,
        ...(status === null
          ? {}
          : {
              status:
                status === 'by-attachments'
                  ? byAttachments(volume.id, operation.kind)
                  : unlessTaken(status, operation.kind),
            }),
        operation_id: sql`(SELECT next.id FROM operations AS next WHERE next.volume_id = ${volume.id}
        AND next.backup_id IS NULL AND next.state = 'queued' AND next.id <> ${operation.id} ORDER BY next.seq_base LIMIT 1)`,
        updated_at: sqlTime(run.clock.now()),
      })
      .where('id', '=', volume.id),
  );
}

/**
 * Only an extend ends `extending`; one may be accepted while a client's attachment is still being taken away. A backup holds
 * itself, not its volume, of which attachments may be taken away meanwhile.
 */
const ENDS: Partial<Record<VolumeStatus, OperationKind>> = {
  extending: 'volume.extend',
  'backing-up': 'backup.create',
};

function unlessTaken(to: VolumeStatus, kind: string): RawBuilder<VolumeStatus> {
  const mine = Object.values(ENDS).some((each) => each === kind);
  const from = volumeStatusesBefore(to).filter((status) =>
    mine ? ENDS[status] === kind : !(status in ENDS),
  );
  return sql`IF(volumes.status IN (${sql.join(from)}), ${to}, volumes.status)`;
}

/** Free only when no attachment is left: one that is reserved, or being taken away, may still be somebody's. */
function byAttachments(id: VolumeId, kind: string): RawBuilder<VolumeStatus> {
  return sql`CASE (SELECT MAX(CASE a.status WHEN 'reserved' THEN 1 WHEN 'attaching' THEN 2 ELSE 3 END)
      FROM attachments AS a WHERE a.volume_id = ${id})
    WHEN 3 THEN ${unlessTaken('in-use', kind)}
    WHEN 2 THEN ${unlessTaken('attaching', kind)}
    WHEN 1 THEN ${unlessTaken('reserved', kind)}
    ELSE ${unlessTaken('available', kind)} END`;
}

/** Gives what has been backed up the status that it has by itself. */
export function restoreStatus(tx: Tx, run: Run<'backup.create', unknown>): void {
  const { operation, input } = run.facts;
  const now = sqlTime(run.clock.now());
  tx.later(
    input.snapshotId === null
      ? tx.q
          .updateTable('volumes')
          .set({ status: byAttachments(operation.volume_id, operation.kind), updated_at: now })
          .where('id', '=', operation.volume_id)
      : tx.q
          .updateTable('snapshots')
          .set({ status: 'available', updated_at: now })
          .where('id', '=', input.snapshotId)
          .where('status', '=', 'backing-up'),
  );
}

export function setAttachment(
  tx: Tx,
  run: Run<OperationKind, unknown>,
  status: AttachmentStatus,
  changes: Updateable<Tables['attachments']> = {},
): void {
  const id = run.facts.operation.attachment_id;
  if (id === null) return;
  tx.later(
    tx.q
      .updateTable('attachments')
      .set({ ...changes, status, updated_at: sqlTime(run.clock.now()) })
      .where('id', '=', id)
      .where('status', 'in', attachmentStatusesBefore(status)),
  );
}

/** Unless its server is being deleted: what waits in line to detach it knows by it whether the volume goes as well. */
export function dropUnlessDetached(tx: Tx, run: Run<OperationKind, unknown>): void {
  const { volume_id: volumeId, attachment_id: id } = run.facts.operation;
  if (id === null) return;
  tx.later(
    sql`DELETE FROM attachments WHERE id = ${id} AND NOT EXISTS (SELECT 1 FROM operations AS o
      WHERE o.volume_id = ${volumeId} AND o.attachment_id = ${id} AND o.kind = 'volume.detach'
        AND o.state = 'queued')`.compile(tx.q),
  );
}

export function dropAttachment(tx: Tx, run: Run<OperationKind, unknown>): void {
  const id = run.facts.operation.attachment_id;
  if (id !== null) tx.later(tx.q.deleteFrom('attachments').where('id', '=', id));
}
