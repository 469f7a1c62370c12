import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { findOwnImage } from './rows.ts';

/** Shuts an image's data off from everybody but administrators, or opens them again. */
export async function setActive(
  context: RequestContext,
  id: string,
  to: 'active' | 'deactivated',
): Promise<Reply> {
  const { app } = context;
  const image = await findOwnImage(context, id);
  const { numUpdatedRows } = await app.db
    .updateTable('images')
    .set({ status: to, updated_at: sqlTime(app.clock.now()) })
    .where('id', '=', image.id)
    .where('status', 'in', ['active', 'deactivated'])
    .executeTakeFirst();
  if (numUpdatedRows > 0n) return { status: 204 };
  throw new ApiError(403, `Image status transition from ${image.status} to ${to} is not allowed.`);
}
