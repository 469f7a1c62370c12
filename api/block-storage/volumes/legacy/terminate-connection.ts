import type { Transaction } from 'kysely';
import { carryOut } from '#api/block-storage/attachments/export.ts';
import type { RequestContext } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { findVolume, type VolumeRow } from '../rows.ts';
import { unreserve } from './reserve.ts';

/**
 * `os-terminate_connection`: the connector's host has let go, and is shut out. What is written down as attached stays so until
 * `os-detach`; a reservation is taken back.
 * @param given one that names no initiator means every host that was let in by these actions
 */
export async function terminateConnection(
  context: RequestContext,
  id: string,
  given: string | object | null,
): Promise<Reply> {
  const volume = await findVolume(context, id);
  const initiator =
    typeof given === 'object' && given !== null && 'initiator' in given ? (given.initiator ?? null) : null;
  const operations = await transact(context.app.db, (trx) => begin(context, trx, volume, initiator));
  for (const operation of operations) await carryOut(context, operation, 'terminate the connection');
  await unreserve(context, volume.id);
  return { status: 202 };
}

async function begin(
  { app, caller, requestId }: RequestContext,
  trx: Transaction<Tables>,
  volume: VolumeRow,
  initiator: unknown,
): Promise<OperationId[]> {
  await trx.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate().execute();
  const all = await trx
    .selectFrom('attachments')
    .select(['id', 'project_id', 'server_id', 'status', 'managed', 'initiator'])
    .where('volume_id', '=', volume.id)
    .where('initiator', 'is not', null)
    .where('status', '<>', 'detaching')
    .execute();
  // Cutting the export under a guest is how another project's data leaks (CVE-2023-2088).
  const ours = all.find((row) => row.managed === 1);
  if (ours !== undefined) {
    throw conflict(`Detach volume from instance ${ours.server_id} using the Compute API`);
  }
  const chosen = all.filter((row) => initiator === null || row.initiator === initiator);
  const begun: OperationId[] = [];
  for (const row of chosen) {
    const keeps = row.status === 'attached';
    if (!keeps) {
      await trx
        .updateTable('attachments')
        .set({ status: 'detaching', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', row.id)
        .execute();
    }
    begun.push(
      await app.operations.begin(trx, {
        kind: 'attachment.revoke',
        volumeId: volume.id,
        attachmentId: row.id,
        projectId: row.project_id,
        userId: caller.userId,
        requestId,
        input: keeps ? { keeps: true } : {},
      }),
    );
  }
  return begun;
}
