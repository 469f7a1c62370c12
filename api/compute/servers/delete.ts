import { type Selectable, sql } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import type { AttachmentStatus, VolumeStatus } from '#schema/states.ts';
import type { AttachmentsTable } from '#schema/tables.ts';
import { findServer, noServer, refuseForeign, type ServerRow } from './rows.ts';

type Attachment = Pick<
  Selectable<AttachmentsTable>,
  'id' | 'volume_id' | 'project_id' | 'boot_index' | 'delete_on_termination'
>;

/** One that is still being attached is taken away once that has ended: its operation waits in line. */
const DETACHABLE: readonly AttachmentStatus[] = ['attached', 'error_attaching', 'error_detaching'];

/**
 * Begins the server's end, and that of each attachment of its other volumes, in one transaction: operations that run side
 * by side. Deleting a server that is being deleted changes nothing.
 */
export async function deleteServer(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const server = await findServer(context, id);
  refuseForeign(server);
  const operations = await transaction(app.db, async (tx) => {
    const [current] = await tx.rows(
      tx.q.selectFrom('servers').selectAll().where('id', '=', server.id).forUpdate(),
    );
    if (current === undefined || current.status === 'DELETED') throw noServer(id);
    if (current.task_state === 'deleting') return [];
    const attachments = await tx.rows(
      tx.q
        .selectFrom('attachments')
        .select(['id', 'volume_id', 'project_id', 'boot_index', 'delete_on_termination'])
        .where('server_id', '=', server.id)
        .where('managed', '=', 1),
    );
    if (!attachments.some((each) => each.boot_index === 0)) {
      // It could not be made, and that has let go of its volume and its host.
      tx.later(tx.q.deleteFrom('servers').where('id', '=', server.id));
      return [];
    }
    tx.later(
      tx.q
        .updateTable('servers')
        .set({ task_state: 'deleting', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', server.id),
    );
    const begun: OperationId[] = [];
    for (const attachment of attachments) begun.push(await takeAway(context, tx, current, attachment));
    return begun;
  });
  for (const operation of operations) app.operations.submit(operation);
  return { status: 204 };
}

async function takeAway(
  { app, caller, requestId }: RequestContext,
  tx: Tx,
  server: ServerRow,
  attachment: Attachment,
): Promise<OperationId> {
  const now = sqlTime(app.clock.now());
  tx.later(
    tx.q
      .updateTable('volumes')
      .set({ status: sql<VolumeStatus>`IF(status = 'in-use', 'detaching', status)`, updated_at: now })
      .where('id', '=', attachment.volume_id),
  );
  tx.later(
    tx.q
      .updateTable('attachments')
      .set({ status: 'detaching', host: server.host, updated_at: now })
      .where('id', '=', attachment.id)
      .where('status', 'in', DETACHABLE),
  );
  const about = {
    volumeId: attachment.volume_id,
    attachmentId: attachment.id,
    projectId: attachment.project_id,
    userId: caller.userId,
    requestId,
  };
  const takesVolume = attachment.delete_on_termination === 1;
  return attachment.boot_index === 0
    ? app.operations.begin(tx, {
        ...about,
        kind: 'server.delete',
        input: { serverId: server.id, takesVolume },
      })
    : app.operations.begin(tx, { ...about, kind: 'volume.detach', input: { serverGone: true } });
}
