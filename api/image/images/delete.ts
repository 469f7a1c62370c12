import type { RequestContext } from '#api/http/context.ts';
import { forbidden } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { dropKey } from '#queues/key-manager/drop-key.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { filesOf } from '../data/files.ts';
import { findOwnImage } from './rows.ts';

/** The record first, and its key with it: data without one are swept away should this process die in between. */
export async function deleteImage(context: RequestContext, id: string): Promise<Reply> {
  const image = await findOwnImage(context, id);
  const { id: imageId } = image;
  await transaction(context.app.db, async (tx) => {
    tx.must(tx.q.deleteFrom('images').where('id', '=', imageId).where('protected', '=', 0));
    dropKey(tx, image);
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw forbidden(`Image ${imageId} is protected and cannot be deleted.`);
  });
  await filesOf(context).remove(imageId);
  return { status: 204 };
}
