import { sql } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import type { Luks } from '#schema/luks.ts';
import type { OperationInputs } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import { type BackupRow, backupFacts, type Facts, factsQuery, toFacts } from '../flows/facts.ts';
import type { Tx } from '../transaction.ts';
import type { EngineDeps } from './deps.ts';
import { makeWay } from './give-way.ts';
import { Timeline } from './timeline.ts';

/** This operation is somebody else's now, has ended, or must wait its turn for the volume: nothing to do here. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs';
}

/** What the operation is to hold is not there any more, so there is nothing to do and nothing to undo. */
export class VolumeGone extends Error {
  override readonly name = 'VolumeGone';
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
export async function claim(tx: Tx, deps: EngineDeps, id: OperationId): Promise<Claim> {
  const [{ matched, insertId: epoch }, [row]] = await tx.changeAndRows(
    sql`UPDATE operations
      SET epoch = LAST_INSERT_ID(epoch + 1), owner = ${deps.owner}, state = IF(state = 'queued', 'running', state),
        started_at = COALESCE(started_at, ${sqlTime(deps.clock.now())})
      WHERE id = ${id} AND owner IS NULL AND state IN (${sql.join(OPEN_OPERATION_STATES)})`.compile(tx.q),
    factsQuery(id),
  );
  if (matched !== 1) throw new NotOurs(`operation ${id} has ended or has an owner`);
  if (row === undefined || row.backup_id !== null) return { epoch, ...(await claimBackup(tx, id, epoch)) };
  const attachments =
    row.kind === 'volume.create'
      ? []
      : await tx.rows(
          tx.q
            .selectFrom('attachments')
            .selectAll()
            .where('volume_id', '=', row.volume_id)
            .orderBy('created_at'),
        );
  const facts = toFacts(row, attachments, await luksToBe(tx, row));
  await hold(tx, facts, await makeWay(tx, deps, facts));
  return { epoch, facts, timeline: await timelineOf(tx, id, epoch) };
}

/** Of the key that the volume gets; read anew each time, for a rotation of the master key seals it anew. */
async function luksToBe(
  tx: Tx,
  { kind, input }: { readonly kind: string; readonly input: string },
): Promise<Luks | null> {
  if (kind !== 'volume.retype') return null;
  const { keys } = JSON.parse(input) as OperationInputs['volume.retype'];
  if (keys?.to == null) return null;
  const [key] = await tx.rows(
    tx.q
      .selectFrom('encryption_keys')
      .select(['secret', 'cipher', 'key_bits as keyBits'])
      .where('id', '=', keys.to),
  );
  return key ?? null;
}

async function timelineOf(tx: Tx, id: OperationId, epoch: number): Promise<Timeline> {
  const steps = tx.q.selectFrom('operation_steps').selectAll().where('operation_id', '=', id);
  return new Timeline(id, epoch === 1 ? [] : await tx.rows(steps));
}

/** An operation that holds a backup asks nothing of the volume, which may be gone. */
async function claimBackup(tx: Tx, id: OperationId, epoch: number): Promise<Omit<Claim, 'epoch'>> {
  const [operation] = await tx.rows(tx.q.selectFrom('operations').selectAll().where('id', '=', id));
  const backupId = operation?.backup_id ?? null;
  const [backup]: BackupRow[] =
    backupId === null
      ? []
      : await tx.rows(tx.q.selectFrom('backups').selectAll().where('id', '=', backupId).forUpdate());
  if (operation === undefined || backup === undefined)
    throw new VolumeGone(`operation ${id} has lost its volume or backup`);
  if (backup.operation_id !== null && backup.operation_id !== id)
    throw new NotOurs(`backup ${backup.id} is busy with another operation`);
  if (backup.operation_id === null)
    tx.later(tx.q.updateTable('backups').set({ operation_id: id }).where('id', '=', backup.id));
  return { facts: backupFacts(operation, backup), timeline: await timelineOf(tx, id, epoch) };
}

/** One operation at a time per volume; the others wait in line. */
async function hold(tx: Tx, { operation, volume }: Facts, freed: boolean): Promise<void> {
  if (volume.operation_id === operation.id) return;
  const { matched } = await tx.change(
    tx.q
      .updateTable('volumes')
      .set({ operation_id: operation.id })
      .where('id', '=', volume.id)
      .where('operation_id', freed ? '=' : 'is', freed ? volume.operation_id : null),
  );
  if (matched === 0) throw new NotOurs(`volume ${volume.id} is busy with another operation`);
}
