import type { Selectable } from 'kysely';
import type { Caller, RequestContext } from '#api/http/context.ts';
import { ApiError, forbidden } from '#api/http/errors.ts';
import { asId, type ProjectId } from '#schema/ids.ts';
import type { ImageMembersTable } from '#schema/tables.ts';
import { findImage, type ImageRow } from '../images/rows.ts';

export type MemberRow = Selectable<ImageMembersTable>;

/** @throws ApiError 404 for an image that the caller may not see, 403 for one that is not shared with single projects. */
export async function findShared(context: RequestContext, imageId: string): Promise<ImageRow> {
  const image = await findImage(context, imageId);
  if (image.visibility === 'shared') return image;
  throw forbidden(`Image ${image.id} is ${image.visibility}: only shared images have members.`);
}

export function isOwner(caller: Caller, image: ImageRow): boolean {
  return caller.isAdmin || image.project_id === caller.projectId;
}

/** The membership of a project in a shared image, for its owner and for the project itself. @throws ApiError 404 */
export async function findMember(
  { app, caller }: RequestContext,
  image: ImageRow,
  member: string,
): Promise<MemberRow> {
  const mayKnow = isOwner(caller, image) || caller.projectId === member;
  const row = mayKnow
    ? await app.db
        .selectFrom('image_members')
        .selectAll()
        .where('image_id', '=', image.id)
        .where('member', '=', asId<ProjectId>(member))
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw noMember(image.id, member);
  return row;
}

export function noMember(imageId: string, member: string): ApiError {
  return new ApiError(
    404,
    `${member.slice(0, 255)} not found in the member list of the image ${imageId.slice(0, 255)}.`,
  );
}
