import type { RequestContext } from '#api/http/context.ts';
import { invalidVolume, notFound } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type OperationId } from '#schema/ids.ts';
import { unexpected } from '../versioned-body.ts';
import { findVolume, type VolumeRow } from '../volumes/rows.ts';
import { accountOf, carryOut, connectorColumns } from './export.ts';
import { findAttachment } from './rows.ts';
import type { NewAttachment } from './schema.ts';
import { asServer, checkServer } from './server.ts';
import { exportedView } from './view.ts';

/** Microversion that brought `mode`. */
const MODE_SINCE = 54;

/** Without a connector: reserves the volume. With one: exports it for that host too, and waits for that. */
export async function createAttachment(context: RequestContext, wanted: NewAttachment): Promise<Reply> {
  if (wanted.mode !== undefined && context.microversion < MODE_SINCE) {
    throw unexpected('attachment', wanted, ['mode']);
  }
  const { app, caller } = context;
  const volume = await findVolume(context, wanted.volume_uuid);
  await checkServer(context, asServer(wanted.instance_uuid));
  const id = asId<AttachmentId>(app.ids.uuid());
  const operation = await transaction(app.db, async (tx): Promise<OperationId | undefined> => {
    await reserve(context, tx, volume, wanted);
    const { connector } = wanted;
    const [account] = connector ? await tx.rows(accountOf(tx.q, volume.id, connector)) : [];
    const mode = volume.readonly === 1 ? 'ro' : (wanted.mode ?? connector?.mode);
    tx.later(
      tx.q.insertInto('attachments').values({
        id,
        volume_id: volume.id,
        project_id: volume.project_id,
        server_id: asServer(wanted.instance_uuid),
        status: 'reserved',
        managed: 0,
        mode: mode === 'ro' ? 'ro' : 'rw',
        mode_asked: volume.readonly === 1 ? 'ro' : (wanted.mode ?? null),
        host: null,
        mountpoint: null,
        connector: null,
        connection: null,
        initiator: null,
        chap_username: null,
        chap_secret: null,
        attached_at: null,
        created_at: sqlTime(app.clock.now()),
        updated_at: null,
        ...(connector && connectorColumns(context, volume.id, connector, account)),
      }),
    );
    if (!connector) return undefined;
    return app.operations.begin(tx, {
      kind: 'attachment.export',
      volumeId: volume.id,
      attachmentId: id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { createdHere: true },
    });
  });
  if (operation !== undefined) await carryOut(context, operation, 'create attachment for volume');
  const row = await findAttachment(context, id);
  return { status: 200, body: { attachment: exportedView(context, row) } };
}

/**
 * `available → reserved`. A volume that is reserved or in use already may be reserved once more for the same server
 * (it is moving to another host), or by anybody when its type says so; its status stays.
 */
async function reserve(
  context: RequestContext,
  tx: Tx,
  volume: VolumeRow,
  wanted: NewAttachment,
): Promise<void> {
  const { matched } = await tx.change(
    tx.q
      .updateTable('volumes')
      .set({ status: 'reserved', updated_at: sqlTime(context.app.clock.now()) })
      .where('id', '=', volume.id)
      .where('status', '=', 'available'),
  );
  if (matched > 0) return;
  const [locked] = await tx.rows(
    tx.q.selectFrom('volumes').select('status').where('id', '=', volume.id).forUpdate(),
  );
  if (locked === undefined) throw notFound('Volume', volume.id);
  const { status } = locked;
  if (status.includes('error')) {
    throw invalidVolume(
      `Volume attachments can not be created if the volume is in an error state. The Volume ${volume.id} currently has a status of: ${status} `,
    );
  }
  if (status === 'in-use' && volume.multiattach === 1) return;
  const server = asServer(wanted.instance_uuid);
  if (server !== null && (status === 'in-use' || status === 'reserved')) {
    const [same] = await tx.rows(
      tx.q
        .selectFrom('attachments')
        .select('id')
        .where('volume_id', '=', volume.id)
        .where('server_id', '=', server)
        // What our agent has plugged in it also unplugs: nobody else can move it.
        .where('managed', '=', 0),
    );
    if (same !== undefined) return;
  }
  // Cinder's words; what is being written anew can be reserved once it is whole.
  const legal =
    volume.multiattach === 1 ? ['available', 'in-use', 'downloading'] : ['available', 'downloading'];
  throw invalidVolume(
    `Volume ${volume.id} status must be ${legal.join(' or ')} to reserve, but the current status is ${status}.`,
  );
}
