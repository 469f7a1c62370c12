import { sql, type Transaction } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { type Facts, loadFacts } from '../flows/facts.ts';
import type { EngineDeps } from './deps.ts';
import { Timeline } from './timeline.ts';

/** This operation is somebody else's now, has ended, or must wait its turn for the volume: nothing to do here. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs';
}

export interface Claim {
  readonly epoch: number;
  readonly facts: Facts;
  readonly timeline: Timeline;
}

/**
 * Takes an operation up. The epoch that it raises is a fencing token: whoever held the operation before finds that
 * none of its updates matches a row any more.
 * @throws NotOurs
 */
export async function claim(trx: Transaction<Tables>, deps: EngineDeps, id: OperationId): Promise<Claim> {
  const { insertId, numAffectedRows } = await sql`UPDATE operations
    SET epoch = LAST_INSERT_ID(epoch + 1), owner = ${deps.owner}, state = IF(state = 'queued', 'running', state),
      started_at = COALESCE(started_at, ${sqlTime(deps.clock.now())})
    WHERE id = ${id} AND owner IS NULL AND state IN (${sql.join(OPEN_OPERATION_STATES)})`.execute(trx);
  if (numAffectedRows !== 1n) throw new NotOurs(`operation ${id} has ended or has an owner`);
  const facts = await loadFacts(trx, id);
  if (facts === undefined) throw new NotOurs(`operation ${id} has lost its volume`);
  await hold(trx, facts);
  const epoch = Number(insertId);
  const saved =
    epoch === 1
      ? []
      : await trx.selectFrom('operation_steps').selectAll().where('operation_id', '=', id).execute();
  return { epoch, facts, timeline: new Timeline(id, saved) };
}

/** One operation at a time per volume; the others wait in line. */
async function hold(trx: Transaction<Tables>, { operation, volume }: Facts): Promise<void> {
  if (volume.operation_id === operation.id) return;
  const { numUpdatedRows } = await trx
    .updateTable('volumes')
    .set({ operation_id: operation.id })
    .where('id', '=', volume.id)
    .where('operation_id', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new NotOurs(`volume ${volume.id} is busy with another operation`);
}

/** Fails unless the operation is still ours. */
export async function fence(trx: Transaction<Tables>, id: OperationId, epoch: number): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('operations')
    .set({ epoch })
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new NotOurs(`operation ${id} has been taken over`);
}
