import { type Selectable, sql, type Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest, conflict, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { AttachmentId, OperationId, VolumeId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES, type VolumeStatus } from '#schema/states.ts';
import type { AttachmentsTable, Tables } from '#schema/tables.ts';
import { whyHostIsDown } from '../services/down.ts';
import { findVolume } from '../volumes/rows.ts';
import { forget } from './forget.ts';

interface Wanted {
  readonly attachment_id?: string | null | undefined;
}

type Row = Pick<
  Selectable<AttachmentsTable>,
  'id' | 'volume_id' | 'project_id' | 'managed' | 'host' | 'initiator'
>;

/** Cinder's `os-force_detach`: takes the volume from a host that is down, without asking it. Answers at once. */
export async function forceDetach(context: RequestContext, id: string, wanted: Wanted): Promise<Reply> {
  const { app } = context;
  const volume = await findVolume(context, id);
  const operation = await transact(app.db, async (trx) => {
    await trx.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate().execute();
    const attachment = await chosen(trx, volume.id, wanted.attachment_id ?? null);
    if (await isMereNote(trx, attachment)) {
      await forget(context, trx, { id: attachment, volume_id: volume.id }, FREED_FROM);
      return undefined;
    }
    return beginForceDetach(context, trx, attachment);
  });
  if (operation !== undefined) app.operations.submit(operation);
  return { status: 202 };
}

/** Statuses that end when what was written down is gone. */
const FREED_FROM: readonly VolumeStatus[] = ['reserved', 'attaching', 'in-use', 'detaching', 'error'];

/** Nobody has ever been let in by it: there is nothing to cut. */
async function isMereNote(trx: Transaction<Tables>, id: AttachmentId): Promise<boolean> {
  const row = await trx
    .selectFrom('attachments')
    .select('id')
    .where('id', '=', id)
    .where('managed', '=', 0)
    .where('initiator', 'is', null)
    .where('status', '<>', 'detaching')
    .executeTakeFirst();
  return row !== undefined;
}

async function chosen(
  trx: Transaction<Tables>,
  volumeId: VolumeId,
  id: string | null,
): Promise<AttachmentId> {
  const rows = await trx.selectFrom('attachments').select('id').where('volume_id', '=', volumeId).execute();
  const found = id === null ? rows : rows.filter((row) => row.id === id.toLowerCase());
  const [only, another] = found;
  if (only === undefined) throw invalidVolume(`Volume ${volumeId} has no such attachment.`);
  if (another !== undefined) {
    throw badRequest(`Volume ${volumeId} has ${found.length} attachments: attachment_id must say which.`);
  }
  return only.id;
}

/**
 * Call it with the volume's row locked. A detach by force that is under way is the answer, too.
 * @throws ApiError 409 when the host is not known to be down: then the guest can be asked.
 */
export async function beginForceDetach(
  context: RequestContext,
  trx: Transaction<Tables>,
  id: AttachmentId,
): Promise<OperationId> {
  const { app, caller } = context;
  const row: Row = await trx
    .selectFrom('attachments')
    .select(['id', 'volume_id', 'project_id', 'managed', 'host', 'initiator'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const open = await trx
    .selectFrom('operations')
    .select('id')
    .where('volume_id', '=', row.volume_id)
    .where('attachment_id', '=', row.id)
    .where('kind', '=', 'volume.force-detach')
    .where('state', 'in', OPEN_OPERATION_STATES)
    .executeTakeFirst();
  if (open !== undefined) return open.id;
  await refuseLive(context, trx, row);
  const now = sqlTime(app.clock.now());
  await trx
    .updateTable('attachments')
    .set({ status: 'detaching', updated_at: now })
    .where('id', '=', row.id)
    .execute();
  await trx
    .updateTable('volumes')
    .set({ status: sql<VolumeStatus>`IF(status = 'in-use', 'detaching', status)`, updated_at: now })
    .where('id', '=', row.volume_id)
    .execute();
  return app.operations.begin(trx, {
    kind: 'volume.force-detach',
    volumeId: row.volume_id,
    attachmentId: row.id,
    projectId: row.project_id,
    userId: caller.userId,
    requestId: context.requestId,
    input: {},
  });
}

async function refuseLive({ app }: RequestContext, trx: Transaction<Tables>, row: Row): Promise<void> {
  if (row.initiator !== null) {
    const twin = await trx
      .selectFrom('attachments')
      .select('id')
      .where('volume_id', '=', row.volume_id)
      .where('id', '<>', row.id)
      .where('initiator', '=', row.initiator)
      .executeTakeFirst();
    if (twin !== undefined) {
      throw conflict(
        `Attachment ${twin.id} lets the same initiator in: nothing could be proved about attachment ${row.id} alone.`,
      );
    }
  }
  // A client's own host has no agent of ours: the administrator's word must do.
  if (row.managed === 0 || row.host === null) return;
  if ((await whyHostIsDown(app, 'blockyard-compute', row.host)) === null) {
    throw conflict(
      `Host ${row.host} is not known to be down, so its guest can be asked: detach the volume from its server. A host counts as down a minute after its agent's last report.`,
    );
  }
}
