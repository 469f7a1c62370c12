import { deleteAttachment } from '#api/block-storage/attachments/delete.ts';
import { noAttachment } from '#api/block-storage/attachments/rows.ts';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { findVolume } from '../rows.ts';

/** `os-detach`: takes what was written down away again, and whoever was let in by it is shut out. */
export async function detachVolume(
  context: RequestContext,
  id: string,
  attachmentId: string | null,
): Promise<Reply> {
  const { db, clock } = context.app;
  const volume = await findVolume(context, id);
  if (volume.status === 'maintenance') {
    throw invalidVolume('The volume cannot be detached in maintenance mode.');
  }
  const all = await db.selectFrom('attachments').select('id').where('volume_id', '=', volume.id).execute();
  if (attachmentId === null && all.length > 1) {
    throw badRequest(
      'Error detaching volume - InvalidVolume: Invalid volume: Detach volume failed: More than one attachment, but no attachment_id provided.',
    );
  }
  const chosen = attachmentId === null ? all[0] : all.find((row) => row.id === attachmentId);
  if (chosen !== undefined) {
    await deleteAttachment(context, chosen.id);
    return { status: 202 };
  }
  if (attachmentId !== null) throw noAttachment(attachmentId);
  // Not attached: that is no error, and a volume that nobody has is free.
  await db
    .updateTable('volumes')
    .set({ status: 'available', updated_at: sqlTime(clock.now()) })
    .where('id', '=', volume.id)
    .where('status', 'in', ['detaching', 'in-use'])
    .where('operation_id', 'is', null)
    .where((eb) =>
      eb.not(eb.exists(eb.selectFrom('attachments').select('id').where('volume_id', '=', volume.id))),
    )
    .execute();
  return { status: 202 };
}
