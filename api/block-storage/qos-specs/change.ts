import type { Selectable, Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { transact } from '#queues/database.ts';
import type { QosSpec } from '#queues/qos/resolve.ts';
import { isUuid, type OperationId, type QosSpecId, type VolumeTypeId } from '#schema/ids.ts';
import type { QosSpecsTable, Tables } from '#schema/tables.ts';

export type QosRow = Selectable<QosSpecsTable>;

const noQos = (id: string): ApiError => new ApiError(404, `No such QoS spec ${id.slice(0, 255)}.`);

export function toSpec(row: QosRow): QosSpec {
  return { consumer: row.consumer, specs: JSON.parse(row.specs) as Record<string, string> };
}

/** @throws ApiError 404 */
export async function findQos(context: RequestContext, id: string): Promise<QosRow> {
  const row = isUuid(id)
    ? await context.app.db
        .selectFrom('qos_specs')
        .selectAll()
        .where('id', '=', id.toLowerCase() as QosSpecId)
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw noQos(id);
  return row;
}

/** What a change of a spec works on: the spec, and the types that have it, all locked. */
export interface Locked {
  readonly trx: Transaction<Tables>;
  readonly row: QosRow;
  readonly types: readonly VolumeTypeId[];
}

/**
 * Changes a spec or who has it. The locks on the types keep a guest that is being attached meanwhile from being given
 * the old limits: an attach holds its type's row shared while it begins.
 * @param work returns the operations that it began; they are submitted after the commit.
 * @throws ApiError 404
 */
export async function changeQos(
  context: RequestContext,
  id: string,
  work: (locked: Locked) => Promise<readonly OperationId[]>,
): Promise<void> {
  if (!isUuid(id)) throw noQos(id);
  const specId = id.toLowerCase() as QosSpecId;
  const { db, operations } = context.app;
  const begun = await transact(db, async (trx) => {
    const row = await trx
      .selectFrom('qos_specs')
      .selectAll()
      .where('id', '=', specId)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) throw noQos(id);
    const types = await trx
      .selectFrom('volume_types')
      .select('id')
      .where('qos_specs_id', '=', specId)
      .forUpdate()
      .execute();
    return work({ trx, row, types: types.map((type) => type.id) });
  });
  for (const operation of begun) operations.submit(operation);
}
