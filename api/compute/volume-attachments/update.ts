import type { RequestContext } from '#api/http/context.ts';
import { badRequest, conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { findServer } from '../servers/rows.ts';
import { devicePath, findAttached } from './show.ts';
import { holdServer, refuseUnmanaged } from './state.ts';

interface Wanted {
  readonly volumeId: string;
  readonly id?: string | undefined;
  readonly serverId?: string | undefined;
  readonly device?: string | null | undefined;
  readonly tag?: string | undefined;
  readonly delete_on_termination?: boolean | undefined;
}

/**
 * Says whether the volume goes with its server. That is all that can be changed; a client may send the rest as it is.
 * @throws ApiError 400 for anything else, another volume among it, and 409 when the server is no longer at rest or the volume on its way from it.
 */
export async function update(
  context: RequestContext,
  serverId: string,
  volumeId: string,
  wanted: Wanted,
): Promise<Reply> {
  const { app } = context;
  const server = await findServer(context, serverId);
  const attachment = await findAttached(context, server.id, volumeId);
  const { volume_id: id, mountpoint } = attachment;
  if (wanted.volumeId !== id)
    throw badRequest(
      'A volume is not exchanged for another one: retype or migrate it, or detach it and attach the other one.',
    );
  const device = mountpoint === null ? null : devicePath(mountpoint);
  for (const [name, sent, is] of [
    ['id', wanted.id, id],
    ['serverId', wanted.serverId, server.id],
    ['device', wanted.device, device],
    ['tag', wanted.tag, null],
  ] as const)
    if (sent !== undefined && sent !== is) throw badRequest(`The ${name} property is not mutable`);
  refuseUnmanaged(attachment);
  const goes = wanted.delete_on_termination;
  if (goes === undefined) return { status: 202 };
  await transaction(app.db, async (tx) => {
    await holdServer(tx, server.id, 'update_volume');
    tx.must(
      tx.q
        .updateTable('attachments')
        .set({ delete_on_termination: goes ? 1 : 0, updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', attachment.id)
        // What takes it away has read by now what becomes of the volume.
        .where('status', '<>', 'detaching'),
    );
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw conflict(`Volume ${id} is being detached from instance ${server.id}.`);
  });
  return { status: 202 };
}
