import type { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, conflict, forbidden } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { isDuplicateKey, transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type ProjectId } from '#schema/ids.ts';
import { noImage } from '../images/rows.ts';
import { findMember, findShared, isOwner, type MemberRow, noMember } from './rows.ts';
import type { createBody, updateBody } from './schema.ts';
import { memberView } from './view.ts';

/** Glance's `image_member_quota`. */
const MAX_MEMBERS = 128;

/** Its owner offers an image to a project; until that accepts, only those who know its id can use it there. */
export async function addMember(
  context: RequestContext,
  imageId: string,
  { member }: z.output<typeof createBody>,
): Promise<Reply> {
  const { app, caller } = context;
  const image = await findShared(context, imageId);
  if (!isOwner(caller, image)) throw forbidden(`Not allowed to create members for image ${image.id}.`);
  const now = sqlTime(app.clock.now());
  const row: MemberRow = {
    image_id: image.id,
    member: asId<ProjectId>(member),
    status: 'pending',
    created_at: now,
    updated_at: now,
  };
  await transact(app.db, async (trx) => {
    // Of two that are added at the same time one counts the other.
    await trx.selectFrom('images').select('id').where('id', '=', image.id).forUpdate().execute();
    await trx.insertInto('image_members').values(row).execute();
    const { count } = await trx
      .selectFrom('image_members')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('image_id', '=', image.id)
      .executeTakeFirstOrThrow();
    if (count > MAX_MEMBERS) throw new ApiError(413, `An image has ${MAX_MEMBERS} members at most.`);
  }).catch((error: unknown) => {
    if (isDuplicateKey(error)) throw conflict(`Member ${member} is duplicated for image ${image.id}`);
    throw isDangling(error) ? noImage(imageId) : error;
  });
  return { status: 200, body: memberView(row) };
}

/** All of them for the owner; a member sees itself. */
export async function listMembers(context: RequestContext, imageId: string): Promise<Reply> {
  const { app, caller } = context;
  const image = await findShared(context, imageId);
  const rows = await app.db
    .selectFrom('image_members')
    .selectAll()
    .where('image_id', '=', image.id)
    .$if(!isOwner(caller, image), (select) => select.where('member', '=', caller.projectId))
    .orderBy('created_at')
    .orderBy('member')
    .execute();
  return { status: 200, body: { members: rows.map(memberView), schema: '/v2/schemas/members' } };
}

/** What is not there and what is not to be seen are the same, as in Glance. */
export async function showMember(context: RequestContext, imageId: string, member: string): Promise<Reply> {
  const image = await findShared(context, imageId).catch((error: unknown) => {
    throw error instanceof ApiError && error.status === 403 ? noMember(imageId, member) : error;
  });
  return { status: 200, body: memberView(await findMember(context, image, member)) };
}

/** Whether a member has accepted is its own to say. */
export async function updateMember(
  context: RequestContext,
  imageId: string,
  member: string,
  { status }: z.output<typeof updateBody>,
): Promise<Reply> {
  const { app, caller } = context;
  const image = await findShared(context, imageId);
  const row = await findMember(context, image, member);
  if (!caller.isAdmin && caller.projectId !== row.member) {
    throw forbidden(`Not allowed to update members for image ${image.id}.`);
  }
  const changes = { status, updated_at: sqlTime(app.clock.now()) };
  const { numUpdatedRows } = await app.db
    .updateTable('image_members')
    .set(changes)
    .where('image_id', '=', image.id)
    .where('member', '=', row.member)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw noMember(image.id, member);
  return { status: 200, body: memberView({ ...row, ...changes }) };
}

/** Volumes that the project has made from it stay. */
export async function removeMember(context: RequestContext, imageId: string, member: string): Promise<Reply> {
  const { app, caller } = context;
  const image = await findShared(context, imageId);
  const row = await findMember(context, image, member);
  if (!isOwner(caller, image)) throw forbidden(`Not allowed to delete members for image ${image.id}.`);
  const { numDeletedRows } = await app.db
    .deleteFrom('image_members')
    .where('image_id', '=', image.id)
    .where('member', '=', row.member)
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw noMember(image.id, member);
  return { status: 204 };
}
