import type { Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { conflict, notFound } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { letIn } from '#queues/flows/let-in.ts';
import { sqlTime } from '#schema/clock.ts';
import type { AttachmentId, VolumeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { accountOf, carryOut, connectorColumns } from './export.ts';
import { findAttachment, noAttachment } from './rows.ts';
import type { Connector } from './schema.ts';
import { detailView, exportedView } from './view.ts';

/**
 * Exports the volume for the host that the connector names, and waits for that. The same connector again is fine; a
 * reservation that was completed before it had one gets it as any other, where that takes the volume from nobody.
 */
export async function updateAttachment(
  context: RequestContext,
  id: string,
  connector: Connector,
): Promise<Reply> {
  const { app, caller } = context;
  const attachment = await findAttachment(context, id);
  const exported = attachment.connection !== null && attachment.initiator === connector.initiator;
  if (!exported) {
    const operation = await transact(app.db, async (trx) => {
      const volume = await trx
        .selectFrom('volumes')
        .select(['status', 'multiattach'])
        .where('id', '=', attachment.volume_id)
        .forUpdate()
        .executeTakeFirst();
      if (volume === undefined) throw notFound('Volume', attachment.volume_id);
      if (volume.status.includes('error')) {
        throw conflict(
          `Resource conflict: Volume attachments can not be updated if the volume is in an error state. The Volume ${attachment.volume_id} currently has a status of: ${volume.status} `,
        );
      }
      const attached = attachment.status === 'attached';
      if (attached && volume.multiattach === 0) await refuseBesideOthers(trx, attachment);
      const account = await accountOf(trx, attachment.volume_id, connector).executeTakeFirst();
      const { numUpdatedRows } = await trx
        .updateTable('attachments')
        .set({
          ...connectorColumns(context, attachment.volume_id, connector, account),
          ...(attached && {
            host: connector.host ?? attachment.host,
            mountpoint: connector.mountpoint ?? attachment.mountpoint,
          }),
          // What the reservation was asked for goes first.
          ...(attachment.mode_asked === null &&
            (connector.mode === 'ro' || connector.mode === 'rw') && { mode: connector.mode }),
          updated_at: sqlTime(app.clock.now()),
        })
        .where('id', '=', attachment.id)
        .where('status', '=', attached ? 'attached' : 'reserved')
        .where('managed', '=', 0)
        .where('initiator', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) {
        throw conflict(`Attachment ${attachment.id} is ${attachment.status} and has a connector already.`);
      }
      return app.operations.begin(trx, {
        kind: 'attachment.export',
        volumeId: attachment.volume_id,
        attachmentId: attachment.id,
        projectId: attachment.project_id,
        userId: caller.userId,
        requestId: context.requestId,
        input: { createdHere: false, ...(attached && { attached: true }) },
      });
    });
    await carryOut(context, operation, 'update attachment');
  }
  const row = await findAttachment(context, id);
  const view = exported ? detailView : exportedView;
  return { status: 200, body: { attachment: view(context, row) } };
}

/**
 * What is attached is let in first, so a connector given late would shut out a host that has connected meanwhile.
 * @throws ApiError 409
 */
async function refuseBesideOthers(
  trx: Transaction<Tables>,
  { id, volume_id }: { readonly id: AttachmentId; readonly volume_id: VolumeId },
): Promise<void> {
  const other = await trx
    .selectFrom('attachments')
    .select('id')
    .where('volume_id', '=', volume_id)
    .where('id', '!=', id)
    .where((of) => of.or([of('initiator', 'is not', null), of('managed', '=', 1)]))
    .executeTakeFirst();
  if (other === undefined) return;
  throw conflict(`Attachment ${id} can be given no connector: attachment ${other.id} has the volume.`);
}

/** The client has connected: attachment and volume are in use. Twice is as good as once. */
export async function completeAttachment(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const attachment = await findAttachment(context, id);
  await transact(app.db, async (trx) => {
    await trx.selectFrom('volumes').select('id').where('id', '=', attachment.volume_id).forUpdate().execute();
    const row = await trx
      .selectFrom('attachments')
      .select(['id', 'volume_id', 'status', 'managed'])
      .where('id', '=', attachment.id)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) throw noAttachment(id);
    if (row.status === 'attached') return;
    const open = await trx
      .selectFrom('operations')
      .select('id')
      .where('volume_id', '=', attachment.volume_id)
      .where('attachment_id', '=', attachment.id)
      .where('state', 'in', OPEN_OPERATION_STATES)
      .executeTakeFirst();
    if (open !== undefined || row.managed === 1 || !['reserved', 'attaching'].includes(row.status)) {
      throw conflict(`Attachment ${attachment.id} cannot be completed while it is ${row.status}.`);
    }
    await refuseOutOfTurn(trx, row);
    const now = sqlTime(app.clock.now());
    await trx
      .updateTable('attachments')
      .set({ status: 'attached', attached_at: now, updated_at: now })
      .where('id', '=', attachment.id)
      .execute();
    await trx
      .updateTable('volumes')
      .set({ status: 'in-use', updated_at: now })
      .where('id', '=', attachment.volume_id)
      .where('status', 'in', ['reserved', 'attaching'])
      .execute();
  });
  return { status: 204 };
}

/**
 * While another host has the volume, this one is not let in, so its client cannot have connected.
 * @throws ApiError 409
 */
export async function refuseOutOfTurn(
  trx: Transaction<Tables>,
  row: { readonly id: AttachmentId; readonly volume_id: VolumeId },
): Promise<void> {
  const { multiattach } = await trx
    .selectFrom('volumes')
    .select('multiattach')
    .where('id', '=', row.volume_id)
    .executeTakeFirstOrThrow();
  const all = await trx
    .selectFrom('attachments')
    .select(['id', 'status', 'initiator', 'chap_secret', 'host', 'created_at'])
    .where('volume_id', '=', row.volume_id)
    .execute();
  const mine = all.find(({ id }) => id === row.id);
  const [holder] = letIn(multiattach, all);
  if (mine?.initiator == null || holder === undefined) return;
  if (letIn(multiattach, all).some(({ id }) => id === row.id)) return;
  throw conflict(
    `Attachment ${row.id} cannot be completed: host ${holder.host ?? holder.initiator ?? ''} still has the volume, and its target lets in one host only. Delete attachment ${holder.id} first.`,
  );
}
