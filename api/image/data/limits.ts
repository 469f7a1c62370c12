import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { ImageRow } from '../images/rows.ts';

/**
 * How many bytes an image may have: what one image may, and what is left of its project's share.
 * @param announced bytes that the client says it will send; 0 when it doesn't.
 * @throws ApiError 413 when the project has no room left.
 */
export async function checkRoom(
  { app }: RequestContext,
  image: ImageRow,
  announced: number,
): Promise<number> {
  const { maxBytes, projectBytes } = app.images;
  if (projectBytes === undefined) return maxBytes;
  const { used } = await app.db
    .selectFrom('images')
    .select((eb) => eb.fn.sum<string | null>('size').as('used'))
    .where('project_id', '=', image.project_id)
    .executeTakeFirstOrThrow();
  const left = projectBytes - Number(used ?? 0);
  if (left <= 0 || announced > left) {
    throw new ApiError(413, `The images of a project must not exceed ${projectBytes} bytes in all.`);
  }
  return Math.min(maxBytes, left);
}
