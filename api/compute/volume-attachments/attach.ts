import { newAccount } from '#api/block-storage/attachments/export.ts';
import { checkStorage } from '#api/block-storage/services/down.ts';
import { findVolume } from '#api/block-storage/volumes/rows.ts';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId } from '#schema/ids.ts';
import { findServer } from '../servers/rows.ts';
import { findInitiator } from './health.ts';
import { holdType, reserve } from './reserve.ts';
import { holdServer, refuseBusy } from './state.ts';

interface Wanted {
  readonly volumeId: string;
  readonly device?: string | null | undefined;
  readonly tag?: string | undefined;
  readonly delete_on_termination?: boolean | undefined;
}

/** Microversions of Nova from which the answer says more. */
const TAG_SINCE = 70;
const DELETE_FLAG_SINCE = 79;

/** `available → attaching`, the attachment and the operation in one transaction; answers at once. */
export async function attach(context: RequestContext, serverId: string, wanted: Wanted): Promise<Reply> {
  const { app, caller, microversion } = context;
  refuseUnsupported(wanted);
  const server = await findServer(context, serverId);
  refuseBusy(server, 'attach_volume');
  const volume = await findVolume(context, wanted.volumeId);
  const initiator = await findInitiator(app, server, volume.id);
  await checkStorage(app, volume);
  const device = wanted.device ?? null;
  const goes = wanted.delete_on_termination === true;
  const operation = await transaction(app.db, async (tx) => {
    await holdServer(tx, server.id, 'attach_volume');
    holdType(tx, volume);
    await reserve(context, tx, volume);
    const id = asId<AttachmentId>(app.ids.uuid());
    tx.later(
      tx.q.insertInto('attachments').values({
        id,
        volume_id: volume.id,
        project_id: volume.project_id,
        server_id: server.id,
        status: 'attaching',
        host: server.host,
        managed: 1,
        mountpoint: device,
        mode: volume.readonly === 1 ? 'ro' : 'rw',
        connector: JSON.stringify({ initiator, host: server.host }),
        connection: null,
        initiator,
        ...newAccount(context, volume.id),
        boot_index: null,
        delete_on_termination: goes ? 1 : 0,
        attached_at: null,
        created_at: sqlTime(app.clock.now()),
        updated_at: null,
      }),
    );
    return app.operations.begin(tx, {
      kind: 'volume.attach',
      volumeId: volume.id,
      attachmentId: id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { device },
    });
  });
  app.operations.submit(operation);
  const volumeAttachment = {
    id: volume.id,
    serverId: server.id,
    volumeId: volume.id,
    device,
    ...(microversion >= TAG_SINCE && { tag: null }),
    ...(microversion >= DELETE_FLAG_SINCE && { delete_on_termination: goes }),
  };
  return { status: 200, body: { volumeAttachment } };
}

function refuseUnsupported(wanted: Wanted): void {
  if (wanted.tag !== undefined) throw badRequest('Tags of attachments are not supported yet.');
}
