import { sql, type Transaction } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { OperationKind } from '#schema/operations.ts';
import { type AttachmentStatus, type VolumeStatus, volumeStatusesBefore } from '#schema/states.ts';
import type { Tables, VolumesTable } from '#schema/tables.ts';
import { subject } from './facts.ts';
import type { Run } from './flow.ts';

type Changes = Partial<Pick<VolumesTable, 'size_gib' | 'pool'>>;

/**
 * Gives the volume its next status and lets go of it: the oldest operation that waits for it, if any, is the next
 * holder. A status changed by somebody else in the meantime (an administrator's reset) is left as it is.
 */
export async function settle(
  trx: Transaction<Tables>,
  run: Run<OperationKind, unknown>,
  status: VolumeStatus | null,
  changes: Changes = {},
): Promise<void> {
  const { volume, operation } = run.facts;
  await trx
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
    .where('id', '=', volume.id)
    .execute();
}

/** `in-use` while another attachment has the volume, else `available`. */
export function statusWithout(run: Run<OperationKind, unknown>): 'in-use' | 'available' {
  const mine = run.facts.operation.attachment_id;
  return run.facts.attachments.some(({ id, status }) => id !== mine && status === 'attached')
    ? 'in-use'
    : 'available';
}

export async function setAttachment(
  trx: Transaction<Tables>,
  run: Run<OperationKind, unknown>,
  status: AttachmentStatus,
  changes: Partial<Tables['attachments']> = {},
): Promise<void> {
  await trx
    .updateTable('attachments')
    .set({ ...changes, status, updated_at: sqlTime(run.clock.now()) })
    .where('id', '=', subject(run.facts).id)
    .execute();
}

export async function dropAttachment(
  trx: Transaction<Tables>,
  run: Run<OperationKind, unknown>,
): Promise<void> {
  const id = run.facts.operation.attachment_id;
  if (id !== null) await trx.deleteFrom('attachments').where('id', '=', id).execute();
}
