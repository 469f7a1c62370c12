import type { RequestContext } from '#api/http/context.ts';
import { forbidden } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { filesOf } from '../data/files.ts';
import { findOwnImage } from './rows.ts';

/** The record first: data without one are swept away should this process die in between. */
export async function deleteImage(context: RequestContext, id: string): Promise<Reply> {
  const { id: imageId } = await findOwnImage(context, id);
  const { numDeletedRows } = await context.app.db
    .deleteFrom('images')
    .where('id', '=', imageId)
    .where('protected', '=', 0)
    .executeTakeFirst();
  if (numDeletedRows === 0n) {
    throw forbidden(`Image ${imageId} is protected and cannot be deleted.`);
  }
  await filesOf(context).remove(imageId);
  return { status: 204 };
}
