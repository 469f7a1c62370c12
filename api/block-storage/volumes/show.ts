import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { attachmentsOf, findVolume, type VolumeRow } from './rows.ts';
import { detailView } from './view.ts';

export async function showVolume(context: RequestContext, id: string): Promise<Reply> {
  return volumeReply(context, await findVolume(context, id));
}

/** The full view of one volume, its attachments included. */
export async function volumeReply(context: RequestContext, row: VolumeRow): Promise<Reply> {
  const attachments = await attachmentsOf(context.app.db, [row]);
  return { status: 200, body: { volume: detailView(context, row, attachments.get(row.id) ?? []) } };
}
