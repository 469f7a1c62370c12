import { type Kysely, sql } from 'kysely';
import type { EncryptionKeyId, OperationId, VolumeId } from '#schema/ids.ts';
import type { OperationInputs } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import type { Tx } from '../transaction.ts';

/**
 * Keys that operations under way will give to their volumes, or have taken from them already, and which volumes: no other row names
 * them now. One that is stuck between two keys keeps both.
 */
export async function readKeysToBe(db: Kysely<Tables>): Promise<ReadonlyMap<string, VolumeId>> {
  const operations = await db
    .selectFrom('operations')
    .select(['kind', 'input', 'volume_id'])
    .where('kind', 'in', ['backup.restore', 'volume.retype'])
    .where((eb) => eb.or([eb('state', 'in', OPEN_OPERATION_STATES), eb('state', '=', 'stuck')]))
    .execute();
  return new Map(
    operations.flatMap(({ kind, input, volume_id }) =>
      keptBy(kind, input).map((key) => [key, volume_id] as const),
    ),
  );
}

/** The keys of this volume's retypes that are stuck: worth nothing once its data have gone. */
export async function readStuckKeys(tx: Tx, volume: VolumeId): Promise<EncryptionKeyId[]> {
  const stuck = await tx.rows(
    tx.q
      .selectFrom('operations')
      .select(['kind', 'input'])
      .where('volume_id', '=', volume)
      .where('kind', '=', 'volume.retype')
      .where('state', '=', 'stuck'),
  );
  return stuck.flatMap(({ kind, input }) => keptBy(kind, input));
}

function keptBy(kind: string, text: string): EncryptionKeyId[] {
  const { formerKeys } = JSON.parse(text) as Partial<OperationInputs['volume.retype']>;
  return [...keysOf(kind, text), ...[formerKeys?.from, formerKeys?.to].filter((key) => key != null)];
}

/** Those that a restore over a volume gives to it; of a retype both, where they are any. */
export function keysOf(kind: string, text: string): EncryptionKeyId[] {
  if (kind === 'backup.restore') {
    const { keyId } = JSON.parse(text) as OperationInputs['backup.restore'];
    return keyId === undefined ? [] : [keyId];
  }
  const { keys } = JSON.parse(text) as OperationInputs['volume.retype'];
  return [keys?.from, keys?.to].filter((key) => key != null);
}

/** Its data have the volume's own key for certain, so that no other is kept for this retype: drop that which is worth nothing first. */
export function forgetKeys(tx: Tx, retype: OperationId): void {
  tx.later(
    tx.q.updateTable('operations').set({ input: sql`JSON_REMOVE(input, '$.keys')` }).where('id', '=', retype),
  );
}

/**
 * The volume's data have been written anew, as its own key says, so that no retype leaves them in doubt any more. Its keys are kept until
 * the volume goes: a copy of what it had may lie elsewhere.
 */
export function endDoubt(tx: Tx, volume: VolumeId): void {
  tx.later(
    sql`UPDATE operations SET input = JSON_REMOVE(JSON_SET(input, '$.formerKeys', JSON_EXTRACT(input, '$.keys')), '$.keys')
      WHERE volume_id = ${volume} AND kind = 'volume.retype' AND state = 'stuck'
        AND JSON_CONTAINS_PATH(input, 'one', '$.keys')`.compile(tx.q),
  );
}
