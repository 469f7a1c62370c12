import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { ProjectId } from '#schema/ids.ts';
import type { IdentityProjectsTable } from '#schema/tables.ts';
import { DOMAIN } from '../domain.ts';
import { findDomain } from '../domains/handlers.ts';
import { forbidden, notFound } from '../errors.ts';
import { flagFilter, identityOf, linksOf, newId } from '../fields.ts';
import { grantsOf } from '../grants.ts';
import { stored } from '../stored.ts';
import { mayAdminister, sessionOf } from '../who.ts';

export type ProjectRow = Selectable<IdentityProjectsTable>;
type Query = Record<string, string>;
type ById = Input<{ id: string }, Query, unknown>;

/** What a client may set. */
interface Project {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly enabled?: boolean | undefined;
}

export const projectView = ({ selfUrl }: RequestContext, row: ProjectRow) => ({
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  enabled: row.enabled === 1,
  parent_id: row.domain_id,
  is_domain: false as const,
  tags: [],
  options: {},
  links: { self: `${selfUrl}/projects/${row.id}` },
});

/**
 * Told that others are none of their business, clients take what they were given for a project's id.
 * @throws ApiError 403 for anybody but administrators.
 */
export async function listProjects(
  context: RequestContext,
  { query }: Input<object, Query, unknown>,
): Promise<Reply> {
  if (context.app.identity === undefined || !mayAdminister(context.caller))
    throw forbidden('identity:list_projects');
  const { name, domain_id: domain } = query;
  const enabled = flagFilter(query['enabled']);
  const rows = await context.app.db
    .selectFrom('identity_projects')
    .selectAll()
    .$if(name !== undefined, (select) => select.where('name', '=', name ?? ''))
    .$if(domain !== undefined, (select) => select.where('domain_id', '=', domain ?? ''))
    .$if(enabled !== undefined, (select) => select.where('enabled', '=', enabled ?? 1))
    .orderBy('name')
    .execute();
  return {
    status: 200,
    body: { projects: rows.map((row) => projectView(context, row)), links: linksOf(context, '/projects') },
  };
}

/** One's own may be seen by anybody. */
export async function showProject(context: RequestContext, { params: { id } }: ById): Promise<Reply> {
  const { app, caller, selfUrl } = context;
  if (app.identity === undefined) {
    if (id !== caller.projectId) throw forbidden('identity:get_project');
    const links = { self: `${selfUrl}/projects/${id}` };
    return { status: 200, body: { project: { id, name: id, domain_id: DOMAIN.id, enabled: true, links } } };
  }
  if (!mayAdminister(caller) && id !== caller.projectId && !(await hasRole(context, id)))
    throw forbidden('identity:get_project');
  return { status: 200, body: { project: projectView(context, await findProject(context, id)) } };
}

async function hasRole(context: RequestContext, project: string): Promise<boolean> {
  const { user } = await sessionOf(context);
  const row = await context.app.db
    .selectFrom(grantsOf(context.app.db, user.id))
    .select('role_id')
    .where('scope', '=', 'project')
    .where('scope_id', '=', project)
    .executeTakeFirst();
  return row !== undefined;
}

export async function createProject(
  context: RequestContext,
  { body }: Input<object, Query, { project: Project & { name: string; domain_id?: string | undefined } }>,
): Promise<Reply> {
  const { name, description, enabled = true } = body.project;
  const domain = await findDomain(
    context,
    body.project.domain_id ?? (await sessionOf(context)).userDomain.id,
  );
  const row: ProjectRow = {
    id: newId(context) as ProjectId,
    domain_id: domain.id,
    name,
    description: description ?? '',
    enabled: enabled ? 1 : 0,
  };
  await stored('project', row, () =>
    identityOf(context).change((trx) => trx.insertInto('identity_projects').values(row).execute()),
  );
  return { status: 201, body: { project: projectView(context, row) } };
}

export async function updateProject(
  context: RequestContext,
  { params, body }: Input<{ id: string }, Query, { project: Project }>,
): Promise<Reply> {
  const old = await findProject(context, params.id);
  const { name = old.name, description = old.description, enabled = old.enabled === 1 } = body.project;
  const row: ProjectRow = { ...old, name, description: description ?? '', enabled: enabled ? 1 : 0 };
  await stored('project', row, () =>
    identityOf(context).change((trx) =>
      trx.updateTable('identity_projects').set(row).where('id', '=', old.id).execute(),
    ),
  );
  return { status: 200, body: { project: projectView(context, row) } };
}

export async function deleteProject(context: RequestContext, { params }: ById): Promise<Reply> {
  const { id } = await findProject(context, params.id);
  await identityOf(context).change(async (trx) => {
    for (const table of ['identity_assignments', 'identity_group_assignments'] as const)
      await trx.deleteFrom(table).where('scope', '=', 'project').where('scope_id', '=', id).execute();
    await trx.deleteFrom('identity_projects').where('id', '=', id).execute();
  });
  return { status: 204 };
}

/** @throws ApiError 404 */
export async function findProject(context: RequestContext, id: string): Promise<ProjectRow> {
  identityOf(context);
  const row = await context.app.db
    .selectFrom('identity_projects')
    .selectAll()
    .where('id', '=', id as ProjectId)
    .executeTakeFirst();
  if (row === undefined) throw notFound('project', id);
  return row;
}
