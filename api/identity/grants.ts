import type { Kysely } from 'kysely';
import type { UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

/** The roles that a user has been given, alone or as one of a group; to be selected from. */
export function grantsOf(db: Kysely<Tables>, user: string) {
  return db
    .selectFrom('identity_assignments')
    .select(['scope', 'scope_id', 'role_id'])
    .where('user_id', '=', user as UserId)
    .union(
      db
        .selectFrom('identity_group_assignments as given')
        .innerJoin('identity_group_members as member', 'member.group_id', 'given.group_id')
        .select(['given.scope', 'given.scope_id', 'given.role_id'])
        .where('member.user_id', '=', user as UserId),
    )
    .as('assignment');
}
