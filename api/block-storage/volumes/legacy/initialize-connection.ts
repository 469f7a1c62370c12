import { sql, type Transaction } from 'kysely';
import { accountOf, carryOut, connectorColumns } from '#api/block-storage/attachments/export.ts';
import { findAttachment } from '#api/block-storage/attachments/rows.ts';
import { type Connector, connector as connectorSchema } from '#api/block-storage/attachments/schema.ts';
import { connectionInfo } from '#api/block-storage/attachments/view.ts';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { parseInput } from '#api/http/validation.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type OperationId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES, type VolumeStatus } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { checkStorage } from '../../services/down.ts';
import { findVolume, type VolumeRow } from '../rows.ts';

/** Statuses in which a volume can be exported for somebody. */
const EXPORTABLE: ReadonlySet<VolumeStatus> = new Set<VolumeStatus>([
  'available',
  'reserved',
  'attaching',
  'in-use',
  'detaching',
]);

/** `os-initialize_connection`: lets the connector's host in, and tells how to connect. Twice is as good as once. */
export async function initializeConnection(
  context: RequestContext,
  id: string,
  given: string | object,
): Promise<Reply> {
  const volume = await findVolume(context, id);
  const connector = readConnector(given);
  if (volume.status === 'maintenance') {
    throw invalidVolume('The volume connection cannot be initialized in maintenance mode.');
  }
  await checkStorage(context.app, volume);
  const { attachment, operation, before } = await transact(context.app.db, (trx) =>
    begin(context, trx, volume, connector),
  );
  if (operation !== undefined) await carryOut(context, operation, 'initialize the connection', before);
  const info = connectionInfo(context, await findAttachment(context, attachment));
  if (info === undefined) throw new ApiError(500, 'Unable to fetch connection information from backend.');
  const { driver_volume_type, attachment_id: _, ...data } = info;
  return {
    status: 200,
    body: { connection_info: { driver_volume_type, data, enforce_multipath: data.enforce_multipath } },
  };
}

/** @throws ApiError 400 in the words of Cinder's drivers when nobody could be let in by it. */
function readConnector(given: string | object): Connector {
  if (typeof given === 'string' || !('initiator' in given) || given.initiator === null) {
    throw invalidInput("Connector doesn't have required information: initiator");
  }
  return parseInput(connectorSchema, given);
}

type ConnectorColumns = ReturnType<typeof connectorColumns>;

interface Begun {
  readonly attachment: AttachmentId;
  readonly operation?: OperationId;
  /** Somebody else's earlier request began it. */
  readonly before?: boolean;
}

async function begin(
  context: RequestContext,
  trx: Transaction<Tables>,
  volume: VolumeRow,
  connector: Connector,
): Promise<Begun> {
  const { app, caller } = context;
  const locked = await trx
    .selectFrom('volumes')
    .select(['status', 'readonly', 'multiattach'])
    .where('id', '=', volume.id)
    .forUpdate()
    .executeTakeFirst();
  if (locked === undefined || !EXPORTABLE.has(locked.status)) {
    throw invalidVolume(
      `The connection of volume ${volume.id} cannot be initialized while it is ${locked?.status ?? 'deleted'}.`,
    );
  }
  const all = await trx
    .selectFrom('attachments')
    .select(['id', 'status', 'managed', 'initiator', 'host', 'mountpoint'])
    .where('volume_id', '=', volume.id)
    .orderBy('created_at')
    .execute();
  // Whoever gave the name of a guest's own host would get an account beside the guest's.
  if (all.some(({ managed }) => managed === 1) && locked.multiattach === 0) {
    throw invalidVolume(
      `Volume ${volume.id} is attached to a server, and multiple attachments are not enabled.`,
    );
  }
  const clients = all.filter(({ managed }) => managed === 0);
  const there = clients.find((row) => row.initiator === connector.initiator && row.status !== 'detaching');
  if (there !== undefined) return { attachment: there.id, ...(await underWay(trx, volume, there.id)) };
  // What `os-attach` has written down is whom this is for.
  const noted = clients.find((row) => row.status === 'attached' && row.initiator === null);
  const account = await accountOf(trx, volume.id, connector).executeTakeFirst();
  const columns = connectorColumns(context, volume.id, connector, account);
  const attachment =
    noted === undefined
      ? await reserved(context, trx, volume, columns, connector.mode === 'ro' || locked.readonly === 1)
      : await given(context, trx, columns, noted);
  const operation = await app.operations.begin(trx, {
    kind: 'attachment.export',
    volumeId: volume.id,
    attachmentId: attachment,
    projectId: volume.project_id,
    userId: caller.userId,
    requestId: context.requestId,
    input: { createdHere: noted === undefined, ...(noted !== undefined && { attached: true }) },
  });
  return { attachment, operation };
}

async function underWay(
  trx: Transaction<Tables>,
  { id: volumeId }: VolumeRow,
  attachment: AttachmentId,
): Promise<Omit<Begun, 'attachment'>> {
  const open = await trx
    .selectFrom('operations')
    .select('id')
    .where('volume_id', '=', volumeId)
    .where('attachment_id', '=', attachment)
    .where('kind', '=', 'attachment.export')
    .where('state', 'in', OPEN_OPERATION_STATES)
    .executeTakeFirst();
  return open === undefined ? {} : { operation: open.id, before: true };
}

/** A new attachment for the connector, and a volume that was free is not any more. */
async function reserved(
  context: RequestContext,
  trx: Transaction<Tables>,
  volume: VolumeRow,
  columns: ConnectorColumns,
  readonly: boolean,
): Promise<AttachmentId> {
  const id = asId<AttachmentId>(context.app.ids.uuid());
  const now = sqlTime(context.app.clock.now());
  await trx
    .insertInto('attachments')
    .values({
      id,
      volume_id: volume.id,
      project_id: volume.project_id,
      server_id: null,
      status: 'reserved',
      managed: 0,
      mode: readonly ? 'ro' : 'rw',
      connection: null,
      attached_at: null,
      created_at: now,
      updated_at: null,
      ...columns,
    })
    .execute();
  await trx
    .updateTable('volumes')
    .set({ status: sql<VolumeStatus>`IF(status = 'available', 'attaching', status)`, updated_at: now })
    .where('id', '=', volume.id)
    .execute();
  return id;
}

/** The connector is that of an attachment that has been without one. */
async function given(
  context: RequestContext,
  trx: Transaction<Tables>,
  columns: ConnectorColumns,
  noted: { readonly id: AttachmentId; readonly host: string | null; readonly mountpoint: string | null },
): Promise<AttachmentId> {
  await trx
    .updateTable('attachments')
    .set({
      ...columns,
      host: columns.host ?? noted.host,
      mountpoint: columns.mountpoint ?? noted.mountpoint,
      updated_at: sqlTime(context.app.clock.now()),
    })
    .where('id', '=', noted.id)
    .execute();
  return noted.id;
}
