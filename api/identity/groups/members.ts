import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { UserId } from '#schema/ids.ts';
import { identityOf, linksOf } from '../fields.ts';
import { type Filters, matching } from '../filters.ts';
import { findUser, userView } from '../users/handlers.ts';
import { findGroup } from './handlers.ts';

type Query = Record<string, string>;

export const MEMBER_FILTERS: Filters = { texts: { name: 'user.name' }, flags: ['enabled'] };
type Member = Input<{ id: string; user_id: string }, Query, unknown>;

export async function listMembers(
  context: RequestContext,
  { params, query }: Input<{ id: string }, Query, unknown>,
): Promise<Reply> {
  const { id } = await findGroup(context, params.id);
  const rows = await context.app.db
    .selectFrom('identity_users as user')
    .innerJoin('identity_group_members as member', 'member.user_id', 'user.id')
    .selectAll('user')
    .where('member.group_id', '=', id)
    .where(matching(query, MEMBER_FILTERS))
    .orderBy('user.name')
    .execute();
  const users = rows.map((row) => userView(context, row));
  return { status: 200, body: { users, links: linksOf(context, `/groups/${id}/users`) } };
}

export async function checkMember(context: RequestContext, { params }: Member): Promise<Reply> {
  const { group_id, user_id } = await found(context, params);
  const row = await context.app.db
    .selectFrom('identity_group_members')
    .select('user_id')
    .where('group_id', '=', group_id)
    .where('user_id', '=', user_id)
    .executeTakeFirst();
  if (row === undefined) throw noMember(params);
  return { status: 204 };
}

/** Taking in who is there already is no mistake. */
export async function addMember(context: RequestContext, { params }: Member): Promise<Reply> {
  const row = await found(context, params);
  await identityOf(context).change((trx) =>
    trx.insertInto('identity_group_members').ignore().values(row).execute(),
  );
  return { status: 204 };
}

/** All of the user's tokens end, as in Keystone: what was done with them may have been done as a member. */
export async function removeMember(context: RequestContext, { params }: Member): Promise<Reply> {
  const { group_id, user_id } = await found(context, params);
  await identityOf(context).change(async (trx) => {
    const { numDeletedRows } = await trx
      .deleteFrom('identity_group_members')
      .where('group_id', '=', group_id)
      .where('user_id', '=', user_id)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw noMember(params);
    await trx
      .updateTable('identity_users')
      .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
      .where('id', '=', user_id)
      .execute();
  });
  return { status: 204 };
}

/** @throws ApiError 404 */
async function found(context: RequestContext, { id, user_id: user }: Member['params']) {
  const group = await findGroup(context, id);
  const { id: user_id } = await findUser(context, user);
  return { group_id: group.id, user_id: user_id satisfies UserId };
}

const noMember = ({ id, user_id }: Member['params']): ApiError =>
  new ApiError(404, `User '${user_id}' not found in group '${id}'`);
