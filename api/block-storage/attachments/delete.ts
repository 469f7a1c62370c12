import type { Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { whyHostIsDown } from '../services/down.ts';
import { carryOut } from './export.ts';
import { beginForceDetach } from './force-detach.ts';
import { forget } from './forget.ts';
import { type AttachmentRow, findAttachment, noAttachment } from './rows.ts';
import { summaryView } from './view.ts';

interface Begun {
  readonly operation: OperationId;
  /** Somebody else's earlier request began it. */
  readonly before: boolean;
}

/**
 * Takes an attachment away and waits for that. One that a guest of ours uses goes through the compute API only: cutting
 * the export under a connected host is how another project's data leaks (CVE-2023-2088).
 * @returns the volume's other attachments.
 */
export async function deleteAttachment(context: RequestContext, id: string): Promise<Reply> {
  const { app } = context;
  const attachment = await findAttachment(context, id);
  const begun = await transact(app.db, async (trx): Promise<Begun | undefined> => {
    await trx.selectFrom('volumes').select('id').where('id', '=', attachment.volume_id).forUpdate().execute();
    const row = await trx
      .selectFrom('attachments')
      .selectAll()
      .where('id', '=', attachment.id)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) throw noAttachment(id);
    if (row.managed === 1 && (await isLive(context, trx, row)))
      return { operation: await beginForceDetach(context, trx, row.id), before: false };
    const open = await trx
      .selectFrom('operations')
      .select(['id', 'kind'])
      .where('volume_id', '=', row.volume_id)
      .where('attachment_id', '=', row.id)
      .where('state', 'in', OPEN_OPERATION_STATES)
      .orderBy('seq_base', 'desc')
      .executeTakeFirst();
    if (open?.kind === 'attachment.revoke' || open?.kind === 'volume.detach') {
      return { operation: open.id, before: true };
    }
    if (row.initiator === null && open === undefined) {
      await forget(context, trx, row);
      return undefined;
    }
    await trx
      .updateTable('attachments')
      .set({ status: 'detaching', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', row.id)
      .execute();
    const operation = await app.operations.begin(trx, {
      kind: row.managed === 1 ? 'volume.detach' : 'attachment.revoke',
      volumeId: row.volume_id,
      attachmentId: row.id,
      projectId: row.project_id,
      userId: context.caller.userId,
      requestId: context.requestId,
      input: {},
    });
    return { operation, before: false };
  });
  if (begun !== undefined) await carryOut(context, begun.operation, 'delete attachment', begun.before);
  const others = await app.db
    .selectFrom('attachments')
    .select(['id', 'status', 'server_id', 'volume_id'])
    .where('volume_id', '=', attachment.volume_id)
    .orderBy('created_at')
    .execute();
  return { status: 200, body: { attachments: others.map(summaryView) } };
}

type Row = Omit<AttachmentRow, 'size_gib' | 'encryption_key_id' | 'consumer' | 'specs' | 'extra_specs'>;

/**
 * A guest of ours has it: then only an administrator may take it away here, and only while its host is down.
 * @throws ApiError 409 for everybody else, and while the guest can be asked.
 */
async function isLive({ app, caller }: RequestContext, trx: Transaction<Tables>, row: Row): Promise<boolean> {
  if (row.server_id === null) return false;
  const server = await trx
    .selectFrom('servers')
    .select('id')
    .where('id', '=', row.server_id)
    // What could not be taken from a server that has gone is taken away here.
    .where('status', '<>', 'DELETED')
    .executeTakeFirst();
  if (server === undefined) return false;
  const down = row.host === null ? null : await whyHostIsDown(app, 'blockyard-compute', row.host);
  if (caller.isAdmin && down !== null) return true;
  throw conflict(`Detach volume from instance ${server.id} using the Compute API`);
}
