import { sql } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { AttachmentStatus, VolumeStatus } from '#schema/states.ts';
import { findServer } from '../servers/rows.ts';
import { findAttached } from './show.ts';
import { refuseBusy, refuseUnmanaged } from './state.ts';

/** Also from an attach or detach that was handed to a person: detaching again is how that person clears it. */
const DETACHABLE: readonly AttachmentStatus[] = ['attached', 'error_attaching', 'error_detaching'];

/** `in-use → detaching` and the operation in one transaction; answers at once. */
export async function detach(context: RequestContext, serverId: string, volumeId: string): Promise<Reply> {
  const { app, caller } = context;
  const server = await findServer(context, serverId);
  refuseBusy(server, 'detach_volume');
  const attachment = await findAttached(context, server.id, volumeId);
  if (attachment.boot_index === 0) throw badRequest('Cannot detach a root device volume');
  refuseUnmanaged(attachment);
  const operation = await transaction(app.db, async (tx) => {
    const now = sqlTime(app.clock.now());
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({
          // A volume in error stays so until the detach has succeeded.
          status: sql<VolumeStatus>`IF(status = 'in-use', 'detaching', status)`,
          updated_at: now,
        })
        .where('id', '=', attachment.volume_id)
        .where('status', 'in', ['in-use', 'error']),
    );
    tx.must(
      tx.q
        .updateTable('attachments')
        // Where it runs now: its former host would say that it holds nothing, and the export be cut under the guest.
        .set({ status: 'detaching', host: server.host, updated_at: now })
        .where('id', '=', attachment.id)
        .where('status', 'in', DETACHABLE),
    );
    return app.operations.begin(tx, {
      kind: 'volume.detach',
      volumeId: attachment.volume_id,
      attachmentId: attachment.id,
      projectId: attachment.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: {},
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidVolume(
      `volume ${attachment.volume_id} must be in-use to be detached; its attachment is ${attachment.status}`,
    );
  });
  app.operations.submit(operation);
  return { status: 202 };
}
