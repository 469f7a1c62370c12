import { type Kysely, sql } from 'kysely';
import type { UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

/** What a domain's projects inherit. */
const IN_PROJECT = [
  sql<'project'>`'project'`.as('scope'),
  sql<string>`project.id`.as('scope_id'),
  'given.role_id' as const,
] as const;

/** The roles that a user has been given, alone or as one of a group, and in which of a domain's projects; to be selected from. */
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
    .union(
      db
        .selectFrom('identity_assignments as given')
        .innerJoin('identity_projects as project', 'project.domain_id', 'given.scope_id')
        .select(IN_PROJECT)
        .where('given.scope', '=', 'inherit')
        .where('given.user_id', '=', user as UserId),
    )
    .union(
      db
        .selectFrom('identity_group_assignments as given')
        .innerJoin('identity_group_members as member', 'member.group_id', 'given.group_id')
        .innerJoin('identity_projects as project', 'project.domain_id', 'given.scope_id')
        .select(IN_PROJECT)
        .where('given.scope', '=', 'inherit')
        .where('member.user_id', '=', user as UserId),
    )
    .as('assignment');
}
