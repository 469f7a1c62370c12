import { conflict } from '#api/http/errors.ts';
import type { Tx } from '#queues/transaction.ts';
import type { AttachmentId, ServerId } from '#schema/ids.ts';
import { noServer, type ServerRow, wrongState } from '../servers/rows.ts';

type Action = 'attach_volume' | 'detach_volume' | 'update_volume';

/** The statuses in which Nova changes a server's volumes. */
const CHANGEABLE: ReadonlySet<string> = new Set(['ACTIVE', 'PAUSED', 'SHUTOFF']);

/** Servers that were made here are left alone while something else is done to them. @throws ApiError 409 */
export function refuseBusy(server: ServerRow, action: Action): void {
  if (server.root_volume_id === null) return;
  if (server.task_state !== null || !CHANGEABLE.has(server.status)) throw wrongState(server, action);
}

/**
 * Until `tx` ends nobody begins to delete the server, which would take with it only the volumes that it has now.
 * @throws ApiError 404 when it has gone, 409 when something is being done to it.
 */
export async function holdServer(tx: Tx, id: ServerId, action: Action): Promise<void> {
  const [now] = await tx.rows(tx.q.selectFrom('servers').selectAll().where('id', '=', id).forUpdate());
  if (now === undefined || now.status === 'DELETED') throw noServer(id);
  refuseBusy(now, action);
}

/** @throws ApiError 409 for an attachment of a client that plugs the volume in by itself. */
export function refuseUnmanaged(attachment: { readonly id: AttachmentId; readonly managed: 0 | 1 }): void {
  if (attachment.managed === 1) return;
  throw conflict(
    `Attachment ${attachment.id} was made by a client that connects by itself; delete it with the block storage API.`,
  );
}
