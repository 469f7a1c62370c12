import { type Kysely, sql } from 'kysely';
import type { IdentityAssignmentsTable, Tables } from '#schema/tables.ts';
import { comparable } from '../comparable.ts';
import type { Actor } from './handlers.ts';

type Scope = IdentityAssignmentsTable['scope'];
type Query = Readonly<Record<string, string>>;

export type AssignmentRow = Awaited<ReturnType<typeof findAssignments>>[number];

/**
 * Who has been given what where, with all names.
 * @param effective members in the place of groups, and projects in the place of the domains that they inherit from.
 */
export function findAssignments(db: Kysely<Tables>, query: Query, effective: boolean) {
  const user = query['user.id'];
  const group = query['group.id'];
  const project = query['scope.project.id'];
  const domain = query['scope.domain.id'];
  const inherited = query['scope.OS-INHERIT:inherited_to'];
  return db
    .selectFrom(effective ? effectively(db) : asGiven(db))
    .innerJoin(actors(db), (join) =>
      join.onRef('actor.id', '=', 'assignment.actor_id').onRef('actor.kind', '=', 'assignment.kind'),
    )
    .innerJoin('identity_domains as actor_domain', 'actor_domain.id', 'actor.domain_id')
    .innerJoin('identity_roles as role', 'role.id', 'assignment.role_id')
    .leftJoin('identity_projects as project', (join) =>
      join.onRef('project.id', '=', 'assignment.scope_id' as never).on('assignment.scope', '=', 'project'),
    )
    .leftJoin('identity_domains as project_domain', 'project_domain.id', 'project.domain_id')
    .leftJoin('identity_domains as domain', (join) =>
      join.onRef('domain.id', '=', 'assignment.scope_id').on('assignment.scope', 'in', ['domain', 'inherit']),
    )
    .select([
      'assignment.scope',
      'assignment.scope_id',
      'assignment.kind',
      'assignment.via_group',
      'assignment.from_domain',
      'actor.id as actor_id',
      'actor.name as actor_name',
      'actor_domain.id as actor_domain_id',
      'actor_domain.name as actor_domain_name',
      'role.id as role_id',
      'role.name as role_name',
      'project.name as project_name',
      'project_domain.id as project_domain_id',
      'project_domain.name as project_domain_name',
      'domain.name as domain_name',
    ])
    .$if(Boolean(user), (select) =>
      select.where('assignment.kind', '=', 'user').where('assignment.actor_id', '=', comparable(user ?? '')),
    )
    .$if(Boolean(group), (select) =>
      select
        .where('assignment.kind', '=', 'group')
        .where('assignment.actor_id', '=', comparable(group ?? '')),
    )
    .$if(Boolean(project), (select) =>
      select
        .where('assignment.scope', '=', 'project')
        .where('assignment.scope_id', '=', comparable(project ?? '')),
    )
    .$if(Boolean(domain), (select) =>
      select
        .where('assignment.scope', 'in', ['domain', 'inherit'])
        .where('assignment.scope_id', '=', comparable(domain ?? '')),
    )
    .$if(Boolean(query['scope.system']), (select) => select.where('assignment.scope', '=', 'system'))
    .$if(inherited === 'projects', (select) =>
      select.where((where) =>
        where.or([
          where('assignment.scope', '=', 'inherit'),
          where('assignment.from_domain', 'is not', null),
        ]),
      ),
    )
    .orderBy('assignment.kind', 'desc')
    .orderBy('actor.name')
    .orderBy('assignment.scope')
    .orderBy('assignment.scope_id')
    .orderBy('role.name')
    .execute();
}

const COLUMNS = ['scope', 'scope_id', 'role_id'] as const;
const NOT_THROUGH_ANY = [
  sql<string | null>`NULL`.as('via_group'),
  sql<string | null>`NULL`.as('from_domain'),
];
const USER = sql<Actor>`'user'`.as('kind');

/** Users' and groups' alike. */
function asGiven(db: Kysely<Tables>) {
  return db
    .selectFrom('identity_assignments')
    .select([...COLUMNS, sql<string>`user_id`.as('actor_id'), USER, ...NOT_THROUGH_ANY])
    .unionAll(
      db
        .selectFrom('identity_group_assignments')
        .select([
          ...COLUMNS,
          sql<string>`group_id`.as('actor_id'),
          sql<Actor>`'group'`.as('kind'),
          ...NOT_THROUGH_ANY,
        ]),
    )
    .as('assignment');
}

function effectively(db: Kysely<Tables>) {
  const ofUsers = db
    .selectFrom('identity_assignments')
    .select([...COLUMNS, sql<string>`user_id`.as('actor_id'), sql<string | null>`NULL`.as('via_group')])
    .unionAll(
      db
        .selectFrom('identity_group_assignments as given')
        .innerJoin('identity_group_members as member', 'member.group_id', 'given.group_id')
        .select([
          'given.scope',
          'given.scope_id',
          'given.role_id',
          sql<string>`member.user_id`.as('actor_id'),
          sql<string | null>`given.group_id`.as('via_group'),
        ]),
    );
  return (
    db
      .selectFrom(ofUsers.as('given'))
      .leftJoin('identity_projects as heir', (join) =>
        join.onRef('heir.domain_id', '=', 'given.scope_id').on('given.scope', '=', 'inherit'),
      )
      .select([
        sql<Scope>`IF(given.scope = 'inherit', 'project', given.scope)`.as('scope'),
        sql<string>`COALESCE(heir.id, given.scope_id)`.as('scope_id'),
        'given.role_id',
        'given.actor_id',
        USER,
        'given.via_group',
        'heir.domain_id as from_domain',
      ])
      // What nobody inherits is in no project.
      .where((where) => where.or([where('given.scope', '!=', 'inherit'), where('heir.id', 'is not', null)]))
      .as('assignment')
  );
}

function actors(db: Kysely<Tables>) {
  return db
    .selectFrom('identity_users')
    .select([sql<string>`id`.as('id'), 'name', 'domain_id', USER])
    .unionAll(
      db
        .selectFrom('identity_groups')
        .select([sql<string>`id`.as('id'), 'name', 'domain_id', sql<Actor>`'group'`.as('kind')]),
    )
    .as('actor');
}
