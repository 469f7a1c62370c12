import type { Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { type QosSpec, resolveIotune } from '#queues/qos/resolve.ts';
import type { OperationId, VolumeTypeId } from '#schema/ids.ts';
import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import type { Tables } from '#schema/tables.ts';

/**
 * Begins a `qos.apply` for every guest whose limits change with the spec of these types. Attachments on their way in
 * count too: the operation waits for its turn behind theirs.
 * @returns what to submit once the transaction has committed.
 */
export async function beginApply(
  context: RequestContext,
  trx: Transaction<Tables>,
  types: readonly VolumeTypeId[],
  before: QosSpec | null,
  after: QosSpec | null,
): Promise<OperationId[]> {
  if (types.length === 0) return [];
  const attached = await trx
    .selectFrom('attachments')
    .innerJoin('volumes', 'volumes.id', 'attachments.volume_id')
    .select(['attachments.id', 'attachments.volume_id', 'volumes.size_gib', 'volumes.project_id'])
    .where('volumes.volume_type_id', 'in', types)
    .where('attachments.managed', '=', 1)
    .where('attachments.status', 'in', ['attaching', 'attached', 'detaching'])
    .execute();
  const begun: OperationId[] = [];
  for (const item of attached) {
    const old = resolveIotune(before, item.size_gib);
    if (same(old, resolveIotune(after, item.size_gib))) continue;
    const operation = await context.app.operations.begin(trx, {
      kind: 'qos.apply',
      volumeId: item.volume_id,
      attachmentId: item.id,
      projectId: item.project_id,
      userId: context.caller.userId,
      requestId: context.requestId,
      input: { before: old },
    });
    begun.push(operation);
  }
  return begun;
}

function same(a: Iotune, b: Iotune): boolean {
  return IOTUNE_KEYS.every((key) => (a[key] ?? 0) === (b[key] ?? 0)) && a.group_name === b.group_name;
}
