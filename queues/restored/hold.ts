import type { Kysely } from 'kysely';
import type { Ids, OperationId, VolumeId } from '#schema/ids.ts';
import type { OperationInputs } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { inColumn } from '../conductor/in-column.ts';
import { type Tx, transaction } from '../transaction.ts';
import { endOperations } from './end-open.ts';
import type { Owner } from './owner.ts';

/**
 * A volume that nobody may touch before `restored` has been run again is held by an operation of its own that has ended `stuck`:
 * whatever is asked for waits in line behind it, and no host hears of it. Numbers alone would not do: each request counts them up, and
 * after as many as the backup has missed a host would take the next one.
 */
type Hold = Extract<OperationInputs['volume.repair'], { what: 'hold' }>;

interface Held {
  readonly id: OperationId;
  readonly volumeId: VolumeId;
  readonly hold: Hold;
}

const HELD_OPERATION =
  'MySQL was restored from a backup while this was under way, and the volume’s hosts have not all been heard since: nothing was undone';

/** Those that an earlier run has left. */
async function readHolds(db: Kysely<Tables>): Promise<Held[]> {
  const rows = await db
    .selectFrom('volumes')
    .innerJoin('operations', 'operations.id', 'volumes.operation_id')
    .select(['operations.id', 'volumes.id as volumeId', 'operations.input'])
    .where('operations.kind', '=', 'volume.repair')
    .where('operations.state', '=', 'stuck')
    .execute();
  return rows.map(({ id, volumeId, input }) => ({ id, volumeId, hold: JSON.parse(input) as Hold }));
}

/**
 * Puts what earlier runs have left as it was in the backup, but for what was asked for since; held it stays until `letGo`, whatever
 * becomes of this run.
 */
export async function reopen(db: Kysely<Tables>): Promise<ReadonlyMap<VolumeId, Held>> {
  const holds = await readHolds(db);
  for (const { volumeId, hold } of holds)
    await transaction(db, async (tx) => {
      for (const { id, state } of hold.ended)
        tx.later(
          tx.q
            .updateTable('operations')
            .set({ state, error: null, ended_at: null })
            .where('id', '=', id)
            .where('state', '=', 'stuck'),
        );
      tx.later(
        tx.q
          .updateTable('volumes')
          .set({ status: hold.status })
          .where('id', '=', volumeId)
          .where('status', '=', 'error'),
      );
    });
  return new Map(holds.map((held) => [held.volumeId, held]));
}

/** Nothing may be done to this volume; what was under way is over until `reopen`. */
export async function hold(
  tx: Tx,
  ids: Ids,
  now: string,
  owner: Owner,
  before: Held | undefined,
  reason: string,
): Promise<void> {
  const { id: volumeId } = owner;
  const error = inColumn(
    `left as it is by "blockyard restored": ${reason}; run it again when that is mended`,
  );
  const ended = await tx.rows(
    tx.q
      .selectFrom('operations')
      .select(['id', 'state'])
      .where('volume_id', '=', volumeId)
      .where('backup_id', 'is', null)
      .where('state', 'in', OPEN_OPERATION_STATES)
      .forUpdate(),
  );
  const id = before?.id ?? (ids.uuid() as OperationId);
  const holder = before === undefined ? owner.operation_id : before.hold.holder;
  const input: Hold = { what: 'hold', status: owner.status, holder, ended };
  if (before === undefined) noteOperation(tx, owner, id, error, now, input);
  else
    tx.later(
      tx.q
        .updateTable('operations')
        .set({ error, input: JSON.stringify(input) })
        .where('id', '=', id),
    );
  // Their snapshots, servers and attachments stay as they are: those may be taken up again.
  endOperations(tx, volumeId, 'stuck', HELD_OPERATION, now);
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({ status: 'error', operation_id: id, updated_at: now })
      .where('id', '=', volumeId),
  );
  tx.later(tx.q.updateTable('evictions').set({ error }).where('volume_id', '=', volumeId));
}

/** Gives the volume back to the operation that held it in the backup. */
export function letGo(tx: Tx, { id, volumeId, hold: { holder } }: Held): void {
  tx.later(tx.q.updateTable('operations').set({ state: 'undone' }).where('id', '=', id));
  tx.later(tx.q.updateTable('volumes').set({ operation_id: holder }).where('id', '=', volumeId));
  tx.later(tx.q.updateTable('evictions').set({ error: null }).where('volume_id', '=', volumeId));
}

/** An operation that says why the volume is as it is; nobody carries it out. */
export function noteOperation(
  tx: Tx,
  { id: volumeId, project_id, user_id, seq }: Owner,
  id: OperationId,
  error: string,
  now: string,
  input: Hold,
): void {
  tx.later(
    tx.q.insertInto('operations').values({
      id,
      kind: 'volume.repair',
      state: 'stuck',
      project_id,
      user_id,
      request_id: `req-${id}`,
      volume_id: volumeId,
      attachment_id: null,
      input: JSON.stringify(input),
      owner: null,
      seq_base: seq,
      traceparent: null,
      error,
      created_at: now,
      started_at: now,
      ended_at: now,
    }),
  );
}
