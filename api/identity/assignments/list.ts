import type { RequestContext } from '#api/http/context.ts';
import { isTrue } from '#api/http/fields.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { UserId } from '#schema/ids.ts';
import { identityOf, linksOf } from '../fields.ts';

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
  const role = query['role.id'];
  const project = query['scope.project.id'];
  const domain = query['scope.domain.id'];
  return app.db
    .selectFrom('identity_assignments as assignment')
    .innerJoin('identity_users as user', 'user.id', 'assignment.user_id')
    .innerJoin('identity_domains as user_domain', 'user_domain.id', 'user.domain_id')
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
      'user.id as user_id',
      'user.name as user_name',
      'user_domain.id as user_domain_id',
      'user_domain.name as user_domain_name',
      'role.id as role_id',
      'role.name as role_name',
      'project.name as project_name',
      'project_domain.id as project_domain_id',
      'project_domain.name as project_domain_name',
      'domain.name as domain_name',
    ])
    .$if(user !== undefined, (select) => select.where('assignment.user_id', '=', user as UserId))
    .$if(role !== undefined, (select) => select.where('assignment.role_id', '=', role ?? ''))
    .$if(project !== undefined, (select) =>
      select.where('assignment.scope', '=', 'project').where('assignment.scope_id', '=', project ?? ''),
    )
    .$if(domain !== undefined, (select) =>
      select.where('assignment.scope', '=', 'domain').where('assignment.scope_id', '=', domain ?? ''),
    )
    .$if(query['scope.system'] !== undefined, (select) => select.where('assignment.scope', '=', 'system'))
    .orderBy('user.name')
    .orderBy('assignment.scope')
    .orderBy('assignment.scope_id')
    .orderBy('role.name')
    .execute();
}

type Row = Awaited<ReturnType<typeof find>>[number];

function entry({ selfUrl }: RequestContext, row: Row, withNames: boolean) {
  const place = row.scope === 'system' ? 'system' : `${row.scope}s/${row.scope_id}`;
  const full = (id: string, name: string | null, domain?: { id: string | null; name: string | null }) =>
    withNames
      ? { id, name: name ?? '', ...(domain && { domain: { id: domain.id ?? '', name: domain.name ?? '' } }) }
      : { id };
  const userDomain = { id: row.user_domain_id, name: row.user_domain_name };
  const projectDomain = { id: row.project_domain_id, name: row.project_domain_name };
  return {
    user: full(row.user_id, row.user_name, userDomain),
    role: full(row.role_id, row.role_name),
    scope:
      row.scope === 'system'
        ? { system: { all: true } }
        : row.scope === 'domain'
          ? { domain: full(row.scope_id, row.domain_name) }
          : { project: full(row.scope_id, row.project_name, projectDomain) },
    links: { assignment: `${selfUrl}/${place}/users/${row.user_id}/roles/${row.role_id}` },
  };
}
