import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { OperationKind } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Facts } from '../flows/facts.ts';
import type { Tx } from '../transaction.ts';
import type { EngineDeps } from './deps.ts';

/**
 * Kinds that may wait for a compute host for ever. An attach doesn't: it ends by itself when its host is down
 * (`orEvict`).
 */
const WAITING: readonly OperationKind[] = ['volume.detach', 'server.delete', 'qos.apply'];

/**
 * Ends the operations of the same attachment that a detach by force makes pointless, whoever runs them: the epoch fences
 * their conductor off, as a take-over does. What they have sent to hosts has lower sequence numbers than what comes now.
 * @returns true when the volume's holder was one of them, and so the volume is free.
 */
export async function makeWay(tx: Tx, { clock }: EngineDeps, { operation, volume }: Facts): Promise<boolean> {
  if (operation.kind !== 'volume.force-detach' || operation.attachment_id === null) return false;
  const pointless = tx.q
    .selectFrom('operations')
    .select('id')
    .where('volume_id', '=', volume.id)
    .where('attachment_id', '=', operation.attachment_id)
    .where('id', '<>', operation.id)
    .where('kind', 'in', WAITING)
    .where('state', 'in', OPEN_OPERATION_STATES)
    .forUpdate();
  const found = new Set((await tx.rows(pointless)).map(({ id }) => id));
  if (volume.operation_id === null || !found.has(volume.operation_id)) return false;
  const now = sqlTime(clock.now());
  const error = `given up: the attachment is detached by force (operation ${operation.id})`;
  tx.later(
    tx.q
      .updateTable('operations')
      .set({ state: 'undone', error, owner: null, ended_at: now, epoch: sql<number>`epoch + 1` })
      .where('id', 'in', [...found]),
  );
  tx.later(
    tx.q
      .updateTable('operation_steps')
      .set({ state: 'failed', error, ended_at: now })
      .where('operation_id', 'in', [...found])
      .where('state', '=', 'running'),
  );
  return true;
}
