import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
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

type Changes = Partial<Pick<VolumesTable, 'size_gib' | 'pool'>>;

/**
 * Gives the volume its next status and lets go of it: the oldest operation that waits for it, if any, is the next
 * holder. A status changed by somebody else in the meantime (an administrator's reset) is left as it is.
 */
export function settle(
  tx: Tx,
  run: Run<OperationKind, unknown>,
  status: VolumeStatus | null,
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
              status: sql<VolumeStatus>`IF(status IN (${sql.join(volumeStatusesBefore(status))}), ${status}, status)`,
            }),
        operation_id: sql`(SELECT next.id FROM operations AS next WHERE next.volume_id = ${volume.id}
        AND next.state = 'queued' AND next.id <> ${operation.id} ORDER BY next.seq_base LIMIT 1)`,
        updated_at: sqlTime(run.clock.now()),
      })
      .where('id', '=', volume.id),
  );
}

/** `in-use` while another attachment has the volume, else `available`. */
export function statusWithout(run: Run<OperationKind, unknown>): 'in-use' | 'available' {
  const mine = run.facts.operation.attachment_id;
  return run.facts.attachments.some(({ id, status }) => id !== mine && status === 'attached')
    ? 'in-use'
    : 'available';
}

export function setAttachment(
  tx: Tx,
  run: Run<OperationKind, unknown>,
  status: AttachmentStatus,
  changes: Partial<Tables['attachments']> = {},
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

export function dropAttachment(tx: Tx, run: Run<OperationKind, unknown>): void {
  const id = run.facts.operation.attachment_id;
  if (id !== null) tx.later(tx.q.deleteFrom('attachments').where('id', '=', id));
}
