import type { Kysely } from 'kysely';
import type { UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { type CheckParts, checkSecret } from './secret-check.ts';

interface AskedUser {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly domain?: { readonly id?: string | undefined; readonly name?: string | undefined } | undefined;
}

/**
 * Whether this is the user's password.
 * @returns the user's epoch.
 * @throws ApiError 401
 */
export async function checkPassword(
  parts: CheckParts,
  id: UserId | undefined,
  password: string,
): Promise<number> {
  return (await checkSecret(parts, () => findUser(parts.db, id), password)).epoch;
}

/** @returns undefined when there is none; looked for in one query either way. */
export async function findUserId(db: Kysely<Tables>, asked: AskedUser): Promise<UserId | undefined> {
  const { id, name = '', domain = {} } = asked;
  const row = await db
    .selectFrom('identity_users as user')
    .innerJoin('identity_domains as domain', 'domain.id', 'user.domain_id')
    .select('user.id')
    .$if(id !== undefined, (query) => query.where('user.id', '=', id as UserId))
    .$if(id === undefined, (query) => query.where('user.name', '=', name))
    .$if(id === undefined && domain.id !== undefined, (query) =>
      query.where('domain.id', '=', domain.id ?? ''),
    )
    .$if(id === undefined && domain.id === undefined, (query) =>
      query.where('domain.name', '=', domain.name ?? ''),
    )
    .executeTakeFirst();
  return row?.id;
}

async function findUser(db: Kysely<Tables>, id: UserId | undefined) {
  const row = await db
    .selectFrom('identity_users')
    .select(['id', 'enabled', 'password as hash', 'epoch', 'failures', 'locked_until'])
    .where('id', '=', id ?? ('' as UserId))
    .executeTakeFirst();
  return row && { ...row, table: 'identity_users' as const };
}
