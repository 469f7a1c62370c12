import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import { identityOf, linksOf } from '../fields.ts';
import { isYes } from '../filters.ts';
import { implications } from '../roles/implications.ts';
import { pathOf } from './handlers.ts';
import { type AssignmentRow, findAssignments } from './rows.ts';

type Query = Readonly<Record<string, string>>;

/** What Keystone calls a role that a domain's projects inherit. */
export const INHERITED = 'OS-INHERIT:inherited_to';

/**
 * Keystone's list, with its filters. `include_names` adds what everything is called; `effective` puts members for groups,
 * projects for domains that they inherit from, and adds the roles that are implied.
 * @throws ApiError 400 for filters that contradict each other
 */
export async function listAssignments(
  context: RequestContext,
  { query }: Input<object, Record<string, string>, unknown>,
): Promise<Reply> {
  identityOf(context);
  const effective = isYes(query['effective']);
  check(query, effective);
  const given = await findAssignments(context.app.db, query, effective);
  const all: readonly Entry[] = effective ? await withImplied(context, given) : given;
  const named = isYes(query['include_names']);
  const role_assignments = all
    .filter(({ role_id: role }) => !query['role.id'] || query['role.id'] === role)
    .map((row) => view(context, row, named));
  return { status: 200, body: { role_assignments, links: linksOf(context, '/role_assignments') } };
}

function check(query: Query, effective: boolean): void {
  const has = (name: string): boolean => Boolean(query[name]);
  const [user, group] = [has('user.id'), has('group.id')];
  const [project, domain, system] = ['scope.project.id', 'scope.domain.id', 'scope.system'].map(has);
  const inherited = query['scope.OS-INHERIT:inherited_to'] === 'projects';
  if (isYes(query['include_subtree']) && !project)
    throw badRequest('scope.project.id must be specified if include_subtree is also specified');
  if (domain && project) throw badRequest('Specify a domain or project, not both');
  if (system && domain) throw badRequest('Specify system or domain, not both');
  if (system && project) throw badRequest('Specify system or project, not both');
  if (user && group) throw badRequest('Specify a user or group, not both');
  if (effective && group)
    throw badRequest('Combining effective and group filter will always result in an empty list.');
  if (effective && inherited && domain)
    throw badRequest(
      'Combining effective, domain and inherited filters will always result in an empty list.',
    );
}

interface Entry extends AssignmentRow {
  /** The role that implies this one. */
  readonly prior_id?: string;
}

/** Each way that leads to a role once, as in Keystone. */
async function withImplied(context: RequestContext, given: readonly AssignmentRow[]): Promise<Entry[]> {
  const rules = await implications(context.app.db);
  return given.flatMap((row) => {
    const ways = new Map<string, Entry>([[row.role_id, row]]);
    for (const way of ways.values())
      for (const { prior, implied } of rules) {
        const key = `${implied.id} ${prior.id}`;
        if (prior.id === way.role_id && !ways.has(key))
          ways.set(key, { ...row, role_id: implied.id, role_name: implied.name, prior_id: prior.id });
      }
    return [...ways.values()];
  });
}

function view({ selfUrl }: RequestContext, row: Entry, withNames: boolean) {
  const full = (id: string, name: string | null, domain?: { id: string | null; name: string | null }) =>
    withNames
      ? { id, name: name ?? '', ...(domain && { domain: { id: domain.id ?? '', name: domain.name ?? '' } }) }
      : { id };
  const actorDomain = { id: row.actor_domain_id, name: row.actor_domain_name };
  const projectDomain = { id: row.project_domain_id, name: row.project_domain_name };
  const from = row.from_domain === null ? row : ({ scope: 'inherit', scope_id: row.from_domain } as const);
  const [actor, actorId] =
    row.via_group === null ? [row.kind, row.actor_id] : (['group', row.via_group] as const);
  const { prior_id: prior } = row;
  return {
    [row.kind]: full(row.actor_id, row.actor_name, actorDomain),
    role: full(row.role_id, row.role_name),
    scope: {
      ...(row.scope === 'system' && { system: { all: true } }),
      ...((row.scope === 'domain' || row.scope === 'inherit') && {
        domain: full(row.scope_id, row.domain_name),
      }),
      ...(row.scope === 'project' && { project: full(row.scope_id, row.project_name, projectDomain) }),
      ...(from.scope === 'inherit' && { [INHERITED]: 'projects' }),
    },
    links: {
      assignment: `${selfUrl}${pathOf(from, actor, actorId, prior ?? row.role_id)}`,
      ...(row.via_group !== null && {
        membership: `${selfUrl}/groups/${row.via_group}/users/${row.actor_id}`,
      }),
      // The implied one first: so Keystone has it.
      ...(prior !== undefined && { prior_role: `${selfUrl}/prior_role/${row.role_id}/implies/${prior}` }),
    },
  };
}
