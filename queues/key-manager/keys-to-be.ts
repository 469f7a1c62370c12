import type { Kysely } from 'kysely';
import type { VolumeId } from '#schema/ids.ts';
import type { OperationInputs } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';

/** Keys that operations under way will give to their volumes, and to which: no other row names them yet. */
export async function readKeysToBe(db: Kysely<Tables>): Promise<ReadonlyMap<string, VolumeId>> {
  const restores = await db
    .selectFrom('operations')
    .select(['input', 'volume_id'])
    .where('kind', '=', 'backup.restore')
    .where('state', 'in', OPEN_OPERATION_STATES)
    .execute();
  return new Map(
    restores.flatMap(({ input, volume_id }) => {
      const { keyId } = JSON.parse(input) as OperationInputs['backup.restore'];
      return keyId === undefined ? [] : [[keyId, volume_id] as const];
    }),
  );
}
