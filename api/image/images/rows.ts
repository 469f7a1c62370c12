import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, forbidden } from '#api/http/errors.ts';
import { asId, type ImageId, isUuid } from '#schema/ids.ts';
import type { ImagesTable } from '#schema/tables.ts';

export type ImageRow = Selectable<ImagesTable>;

/**
 * An image that the caller may see: its project's, one shared with that, a public one, or one that its owner gave to the community.
 * @throws ApiError 404 when there is none.
 */
export async function findImage(context: RequestContext, id: string): Promise<ImageRow> {
  const { app, caller } = context;
  const row = isUuid(id)
    ? await app.db
        .selectFrom('images')
        .selectAll()
        .where('id', '=', asId<ImageId>(id.toLowerCase()))
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw noImage(id);
  const visible =
    caller.isAdmin ||
    row.project_id === caller.projectId ||
    row.visibility === 'public' ||
    row.visibility === 'community' ||
    (row.visibility === 'shared' && (await isMember(context, row)));
  if (!visible) throw noImage(id);
  return row;
}

/** Whatever it has said to that, as in Glance: who knows the id can look before accepting. */
async function isMember({ app, caller }: RequestContext, image: ImageRow): Promise<boolean> {
  const row = await app.db
    .selectFrom('image_members')
    .select('status')
    .where('image_id', '=', image.id)
    .where('member', '=', caller.projectId)
    .executeTakeFirst();
  return row !== undefined;
}

/** The same, for somebody who wants to change it. @throws ApiError 403 when it is another project's. */
export async function findOwnImage(context: RequestContext, id: string): Promise<ImageRow> {
  const row = await findImage(context, id);
  if (row.project_id === context.caller.projectId || context.caller.isAdmin) return row;
  throw forbidden('You are not permitted to modify this image.');
}

export function noImage(id: string): ApiError {
  return new ApiError(404, `No image found with ID ${id.slice(0, 255)}`);
}
