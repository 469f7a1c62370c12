import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import { type OperationKind, SEQ_PER_OPERATION } from '#schema/operations.ts';
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
 * their conductor off, as a take-over does. What they have sent to hosts has lower sequence numbers than what comes now; who waited
 * behind them comes after it, and gets newer ones.
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
  await renumber(tx, volume.id, [...found, operation.id]);
  return true;
}

/**
 * Who waits in line has older numbers than the detach by force that goes first now: its host would take these tasks for ones that come
 * late. Nobody has sent any of them yet, so all in line get newer ones, in the order that they have. The volume comes first, as where an
 * operation begins: a claim that goes the other way may deadlock with it, which either of them tries again.
 * @param others have ended, or go first.
 */
async function renumber(tx: Tx, volumeId: VolumeId, others: readonly OperationId[]): Promise<void> {
  const [held] = await tx.rows(
    tx.q.selectFrom('volumes').select('seq').where('id', '=', volumeId).forUpdate(),
  );
  const waiting = await tx.rows(
    tx.q
      .selectFrom('operations')
      .select(['id', 'seq_base'])
      .where('volume_id', '=', volumeId)
      .where('backup_id', 'is', null)
      .where('state', '=', 'queued')
      .where('id', 'not in', others)
      .orderBy('seq_base')
      .forUpdate(),
  );
  const [first] = waiting;
  if (held === undefined || first === undefined) return;
  const ahead = held.seq + SEQ_PER_OPERATION - first.seq_base;
  const ids = waiting.map(({ id }) => id);
  tx.later(
    tx.q
      .updateTable('operations')
      .set({ seq_base: sql<number>`seq_base + ${ahead}` })
      .where('id', 'in', ids),
  );
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({ seq: sql<number>`seq + ${ahead}` })
      .where('id', '=', volumeId),
  );
}
