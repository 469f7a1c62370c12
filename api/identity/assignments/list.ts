import { type Kysely, sql } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { isTrue } from '#api/http/fields.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { Tables } from '#schema/tables.ts';
import { identityOf, linksOf } from '../fields.ts';
import type { Actor } from './handlers.ts';

/** Keystone's list, with its filters; `include_names` adds what everything is called. */
export async function listAssignments(
  context: RequestContext,
  { query }: Input<object, Record<string, string>, unknown>,
): Promise<Reply> {
  identityOf(context);
  const rows = await find(context, query);
  const named = 'include_names' in query && (query['include_names'] === '' || isTrue(query['include_names']));
  const entries = rows.map((row) => entry(context, row, named));
  return {
    status: 200,
    body: { role_assignments: entries, links: linksOf(context, '/role_assignments') },
  };
}

function find({ app }: RequestContext, query: Readonly<Record<string, string>>) {
  const user = query['user.id'];
  const group = query['group.id'];
  const role = query['role.id'];
  const project = query['scope.project.id'];
  const domain = query['scope.domain.id'];
  return app.db
    .selectFrom(assignments(app.db))
    .innerJoin(actors(app.db), (join) =>
      join.onRef('actor.id', '=', 'assignment.actor_id').onRef('actor.kind', '=', 'assignment.kind'),
    )
    .innerJoin('identity_domains as actor_domain', 'actor_domain.id', 'actor.domain_id')
    .innerJoin('identity_roles as role', 'role.id', 'assignment.role_id')
    .leftJoin('identity_projects as project', (join) =>
      join.onRef('project.id', '=', 'assignment.scope_id' as never).on('assignment.scope', '=', 'project'),
    )
    .leftJoin('identity_domains as project_domain', 'project_domain.id', 'project.domain_id')
    .leftJoin('identity_domains as domain', (join) =>
      join.onRef('domain.id', '=', 'assignment.scope_id').on('assignment.scope', '=', 'domain'),
    )
    .select([
      'assignment.scope',
      'assignment.scope_id',
      'assignment.kind',
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
    .$if(user !== undefined, (select) =>
      select.where('assignment.kind', '=', 'user').where('assignment.actor_id', '=', user ?? ''),
    )
    .$if(group !== undefined, (select) =>
      select.where('assignment.kind', '=', 'group').where('assignment.actor_id', '=', group ?? ''),
    )
    .$if(role !== undefined, (select) => select.where('assignment.role_id', '=', role ?? ''))
    .$if(project !== undefined, (select) =>
      select.where('assignment.scope', '=', 'project').where('assignment.scope_id', '=', project ?? ''),
    )
    .$if(domain !== undefined, (select) =>
      select.where('assignment.scope', '=', 'domain').where('assignment.scope_id', '=', domain ?? ''),
    )
    .$if(query['scope.system'] !== undefined, (select) => select.where('assignment.scope', '=', 'system'))
    .orderBy('assignment.kind', 'desc')
    .orderBy('actor.name')
    .orderBy('assignment.scope')
    .orderBy('assignment.scope_id')
    .orderBy('role.name')
    .execute();
}

/** Users' and groups' alike. */
function assignments(db: Kysely<Tables>) {
  const columns = ['scope', 'scope_id', 'role_id'] as const;
  return db
    .selectFrom('identity_assignments')
    .select([...columns, sql<string>`user_id`.as('actor_id'), sql<Actor>`'user'`.as('kind')])
    .unionAll(
      db
        .selectFrom('identity_group_assignments')
        .select([...columns, sql<string>`group_id`.as('actor_id'), sql<Actor>`'group'`.as('kind')]),
    )
    .as('assignment');
}

function actors(db: Kysely<Tables>) {
  return db
    .selectFrom('identity_users')
    .select([sql<string>`id`.as('id'), 'name', 'domain_id', sql<Actor>`'user'`.as('kind')])
    .unionAll(
      db
        .selectFrom('identity_groups')
        .select([sql<string>`id`.as('id'), 'name', 'domain_id', sql<Actor>`'group'`.as('kind')]),
    )
    .as('actor');
}

type Row = Awaited<ReturnType<typeof find>>[number];

function entry({ selfUrl }: RequestContext, row: Row, withNames: boolean) {
  const place = row.scope === 'system' ? 'system' : `${row.scope}s/${row.scope_id}`;
  const full = (id: string, name: string | null, domain?: { id: string | null; name: string | null }) =>
    withNames
      ? { id, name: name ?? '', ...(domain && { domain: { id: domain.id ?? '', name: domain.name ?? '' } }) }
      : { id };
  const actorDomain = { id: row.actor_domain_id, name: row.actor_domain_name };
  const projectDomain = { id: row.project_domain_id, name: row.project_domain_name };
  return {
    [row.kind]: full(row.actor_id, row.actor_name, actorDomain),
    role: full(row.role_id, row.role_name),
    scope:
      row.scope === 'system'
        ? { system: { all: true } }
        : row.scope === 'domain'
          ? { domain: full(row.scope_id, row.domain_name) }
          : { project: full(row.scope_id, row.project_name, projectDomain) },
    links: { assignment: `${selfUrl}/${place}/${row.kind}s/${row.actor_id}/roles/${row.role_id}` },
  };
}
