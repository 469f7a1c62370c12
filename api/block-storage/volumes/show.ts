import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { attachmentsOf, findVolume } from './rows.ts';
import { extendedView } from './view.ts';

export async function showVolume(context: RequestContext, id: string): Promise<Reply> {
  const row = await findVolume(context, id);
  const attachments = await attachmentsOf(context.app.db, [row]);
  return { status: 200, body: { volume: extendedView(context, row, attachments.get(row.id) ?? []) } };
}
