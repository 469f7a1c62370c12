import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import { type OperationKind, SEQ_PER_OPERATION } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tx } from '../transaction.ts';
import type { Run } from './flow.ts';
import { type NextStatus, settle } from './settle.ts';

/**
 * Ends an operation like `settle`, and begins the volume's deletion in the same transaction; call it once the
 * operation's own attachment has been dropped. A volume that somebody else uses, waits for, copies or has snapshots of is
 * kept, as Cinder keeps it when Nova asks.
 */
export function removeVolume(tx: Tx, run: Run<OperationKind, unknown>, status: NextStatus): void {
  const { volume, operation } = run.facts;
  settle(tx, run, status);
  tx.later(
    sql`UPDATE volumes SET status = 'deleting', seq = seq + ${SEQ_PER_OPERATION}
      WHERE id = ${volume.id} AND status IN ('available', 'error') AND operation_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM attachments WHERE volume_id = ${volume.id})
        AND NOT EXISTS (SELECT 1 FROM snapshots WHERE volume_id = ${volume.id})
        AND NOT EXISTS (SELECT 1 FROM (SELECT copy.id FROM volumes AS copy
          WHERE copy.source_volume_id = ${volume.id} AND copy.status = 'creating' LIMIT 1) AS copies)`.compile(
      tx.q,
    ),
  );
  // Nothing but a deletion leaves this status, and until here this operation held the volume.
  tx.later(
    sql`INSERT INTO operations (id, kind, state, project_id, user_id, request_id, volume_id, input, seq_base, created_at)
      SELECT UUID(), 'volume.delete', 'queued', project_id, ${operation.user_id}, ${operation.request_id}, id, '{}', seq,
        ${sqlTime(run.clock.now())}
      FROM volumes WHERE id = ${volume.id} AND status = 'deleting' AND operation_id IS NULL`.compile(tx.q),
  );
  tx.later(
    sql`UPDATE volumes SET operation_id = (SELECT id FROM operations WHERE volume_id = ${volume.id}
        AND kind = 'volume.delete' AND state IN (${sql.join(OPEN_OPERATION_STATES)}) LIMIT 1)
      WHERE id = ${volume.id} AND status = 'deleting' AND operation_id IS NULL`.compile(tx.q),
  );
}
