import { sql } from 'kysely';
import { newAccount } from '#api/block-storage/attachments/export.ts';
import { isUp } from '#api/block-storage/services/handlers.ts';
import { findVolume, type VolumeRow } from '#api/block-storage/volumes/rows.ts';
import type { App, RequestContext } from '#api/http/context.ts';
import { badRequest, conflict, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime, sqlTimeToMs } from '#schema/clock.ts';
import { type AttachmentId, asId } from '#schema/ids.ts';
import type { ServicesTable } from '#schema/tables.ts';
import { findServer, type ServerRow } from '../servers/rows.ts';

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
  const volume = await findVolume(context, wanted.volumeId);
  const initiator = await findInitiator(app, server);
  await checkStorage(app, volume);
  const device = wanted.device ?? null;
  const operation = await transaction(app.db, async (tx) => {
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
        mode: 'rw',
        connector: JSON.stringify({ initiator, host: server.host }),
        connection: null,
        initiator,
        ...newAccount(context, volume.id),
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
    ...(microversion >= DELETE_FLAG_SINCE && { delete_on_termination: false }),
  };
  return { status: 200, body: { volumeAttachment } };
}

function refuseUnsupported(wanted: Wanted): void {
  if (wanted.tag !== undefined) throw badRequest('Tags of attachments are not supported yet.');
  if (wanted.delete_on_termination === true) {
    throw badRequest('delete_on_termination is not supported yet.');
  }
}

/** @throws ApiError 409 with the reason when the server's host could not do it now. */
async function findInitiator(app: App, server: ServerRow): Promise<string> {
  const service = await app.db
    .selectFrom('services')
    .select(['host', 'last_seen_at', 'disabled', 'disabled_reason', 'details'])
    .where('binary', '=', 'blockyard-compute')
    .where('host', '=', server.host)
    .executeTakeFirst();
  if (service === undefined) throw conflict(`No compute agent has reported from host ${server.host}.`);
  checkService(app, service, `Host ${service.host} of server ${server.id}`);
  const { initiator } = JSON.parse(service.details) as { initiator?: unknown };
  if (typeof initiator !== 'string' || initiator === '') {
    throw conflict(`The compute agent on host ${server.host} reports no initiator.`);
  }
  return initiator;
}

async function checkStorage(app: App, volume: VolumeRow): Promise<void> {
  if (volume.pool === null) return;
  const host = volume.pool.split('#')[0] ?? '';
  const service = await app.db
    .selectFrom('services')
    .select(['host', 'last_seen_at', 'disabled', 'disabled_reason'])
    .where('binary', '=', 'blockyard-storage')
    .where('host', '=', host)
    .executeTakeFirst();
  // A disabled back end takes no new volumes; those it has can still be used.
  if (service !== undefined) checkService(app, { ...service, disabled: 0 }, `Storage host ${service.host}`);
}

type Health = Pick<ServicesTable, 'last_seen_at' | 'disabled_reason'> & { readonly disabled: 0 | 1 };

function checkService(app: App, service: Health, what: string): void {
  if (service.disabled === 1) {
    throw conflict(
      `${what} is disabled${service.disabled_reason === null ? '' : `: ${service.disabled_reason}`}.`,
    );
  }
  if (isUp(service, app.clock)) return;
  const silence = Math.round((app.clock.now() - sqlTimeToMs(service.last_seen_at)) / 1_000);
  throw conflict(`${what} is down: its agent last reported ${silence} s ago.`);
}

/** A change of the type's QoS spec waits until this attach has begun, and then retunes it; see changeQos. */
function holdType(tx: Tx, volume: VolumeRow): void {
  if (volume.volume_type_id === null) return;
  // MariaDB knows no FOR SHARE.
  tx.later(
    sql`SELECT id FROM volume_types WHERE id = ${volume.volume_type_id} LOCK IN SHARE MODE`.compile(tx.q),
  );
}

async function reserve({ app }: RequestContext, tx: Tx, volume: VolumeRow): Promise<void> {
  const { matched } = await tx.change(
    tx.q
      .updateTable('volumes')
      .set({ status: 'attaching', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', volume.id)
      .where('status', '=', 'available'),
  );
  if (matched > 0) return;
  const [current] = await tx.rows(tx.q.selectFrom('volumes').select('status').where('id', '=', volume.id));
  throw invalidVolume(
    `volume ${volume.id} status must be 'available'. Currently in '${current?.status ?? 'deleted'}'`,
  );
}
