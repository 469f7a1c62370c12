import type { Selectable, Transaction } from 'kysely';
import { asServer, checkServer } from '#api/block-storage/attachments/server.ts';
import { refuseOutOfTurn } from '#api/block-storage/attachments/update.ts';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume, notFound } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type VolumeId } from '#schema/ids.ts';
import type { AttachmentsTable, Tables } from '#schema/tables.ts';
import { findVolume } from '../rows.ts';

interface Wanted {
  readonly instance_uuid?: string | undefined;
  readonly host_name?: string | undefined;
  readonly mountpoint: string;
  readonly mode?: 'rw' | 'ro' | undefined;
}

type Attachment = Selectable<AttachmentsTable>;

/**
 * `os-attach`: writes down that somebody has the volume. What `os-initialize_connection` has exported for them becomes that
 * attachment; otherwise nobody is let in by it.
 */
export async function attachVolume(context: RequestContext, id: string, wanted: Wanted): Promise<Reply> {
  const { app } = context;
  const volume = await findVolume(context, id);
  const server = asServer(wanted.instance_uuid);
  await checkServer(context, server);
  const mode = wanted.mode ?? 'rw';
  await transact(app.db, async (trx) => {
    const now = sqlTime(app.clock.now());
    const locked = await trx
      .selectFrom('volumes')
      .select(['id', 'status', 'multiattach', 'operation_id', 'readonly'])
      .where('id', '=', volume.id)
      .forUpdate()
      .executeTakeFirst();
    if (locked === undefined) throw notFound('Volume', volume.id);
    if (locked.status === 'maintenance') {
      throw invalidVolume('The volume cannot be attached in maintenance mode.');
    }
    if (locked.readonly === 1 && mode !== 'ro') {
      throw badRequest(`Invalid attaching mode '${mode}' for volume ${volume.id}.`);
    }
    const all = await trx
      .selectFrom('attachments')
      .selectAll()
      .where('volume_id', '=', volume.id)
      .orderBy('created_at')
      .execute();
    const theirs = all.find((row) =>
      server === null
        ? row.server_id === null && row.host === wanted.host_name && row.status === 'attached'
        : row.server_id === server,
    );
    if (theirs?.status === 'attached') return;
    const exported = theirs ?? all.find((row) => isWaiting(row) && isMeant(row, wanted));
    if (exported === undefined) {
      refuseTaken(locked, all);
      await trx
        .insertInto('attachments')
        .values({
          id: asId<AttachmentId>(app.ids.uuid()),
          volume_id: volume.id,
          project_id: volume.project_id,
          server_id: server,
          status: 'attached',
          managed: 0,
          mode,
          host: wanted.host_name ?? null,
          mountpoint: wanted.mountpoint,
          connector: null,
          connection: null,
          initiator: null,
          chap_username: null,
          chap_secret: null,
          attached_at: now,
          created_at: now,
          updated_at: null,
        })
        .execute();
    } else {
      await complete(trx, volume.id, exported, { ...wanted, mode }, now);
    }
    await trx
      .updateTable('volumes')
      .set({ status: 'in-use', readonly: locked.readonly ?? 0, updated_at: now })
      .where('id', '=', volume.id)
      .execute();
  });
  return { status: 202 };
}

/** Exported, connected by now if its client says so, and nobody's yet. */
function isWaiting({ managed, status, connection, server_id }: Attachment): boolean {
  return managed === 0 && status === 'attaching' && connection !== null && server_id === null;
}

function isMeant({ host }: Attachment, { host_name: named }: Wanted): boolean {
  return named === undefined || host === null || host === named;
}

async function complete(
  trx: Transaction<Tables>,
  volumeId: VolumeId,
  row: Attachment,
  { instance_uuid, host_name, mountpoint, mode }: Wanted,
  now: string,
): Promise<void> {
  if (row.managed === 1 || row.status !== 'attaching' || row.connection === null) {
    throw invalidVolume(`Attachment ${row.id} of volume ${volumeId} is ${row.status}.`);
  }
  await refuseOutOfTurn(trx, row);
  await trx
    .updateTable('attachments')
    .set({
      status: 'attached',
      server_id: asServer(instance_uuid),
      host: host_name ?? row.host,
      mountpoint,
      mode: mode ?? row.mode,
      attached_at: now,
      updated_at: now,
    })
    .where('id', '=', row.id)
    .execute();
}

type Locked = Pick<Selectable<Tables['volumes']>, 'id' | 'status' | 'multiattach' | 'operation_id'>;

/** @throws ApiError 400 when the volume is neither free nor reserved. */
function refuseTaken(volume: Locked, attachments: readonly Attachment[]): void {
  const { status, multiattach, operation_id } = volume;
  if (status === 'available' || (status === 'in-use' && multiattach === 1)) return;
  const still = operation_id === null && attachments.every((row) => row.status === 'attached');
  if (status === 'attaching' && still && (multiattach === 1 || attachments.length === 0)) return;
  const why =
    status === 'in-use'
      ? 'volume is already attached and multiple attachments are not enabled'
      : `Volume ${volume.id} status must be available or attaching to attach, but the status is ${status}.`;
  throw badRequest(`Error attaching volume - InvalidVolume: Invalid volume: ${why}`);
}
