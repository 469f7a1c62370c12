import type { Selectable } from 'kysely';
import type { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { ProjectId } from '#schema/ids.ts';
import type { IdentityProjectsTable } from '#schema/tables.ts';
import { comparable } from '../comparable.ts';
import { DOMAIN } from '../domain.ts';
import { findDomain } from '../domains/handlers.ts';
import { forbidden, notFound } from '../errors.ts';
import { extraFields, extraOf } from '../extra.ts';
import { identityOf, linksOf, newId } from '../fields.ts';
import { type Filters, isYes, matching } from '../filters.ts';
import { grantsOf } from '../grants.ts';
import { checkMutable, immutableOf, optionsOf, type resourceOptions } from '../options.ts';
import { stored } from '../stored.ts';
import { mayAdminister, sessionOf } from '../who.ts';
import { taggedAs, tagsOf, tagsText } from './tags.ts';

export type ProjectRow = Selectable<IdentityProjectsTable>;
type Query = Record<string, string>;
type ById = Input<{ id: string }, Query, unknown>;

/** What a client may set. */
interface Project {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly domain_id?: string | undefined;
  readonly parent_id?: string | null | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly options?: z.infer<typeof resourceOptions> | undefined;
}

export const projectView = ({ selfUrl }: RequestContext, row: ProjectRow) => ({
  ...extraFields(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  enabled: row.enabled === 1,
  parent_id: row.domain_id,
  is_domain: false as const,
  tags: tagsOf(row),
  options: optionsOf(row),
  links: { self: `${selfUrl}/projects/${row.id}` },
});

export const PROJECT_FILTERS: Filters = {
  texts: { name: 'name' },
  ids: { domain_id: 'domain_id', parent_id: 'domain_id' },
  flags: ['enabled'],
};

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
  const rows = await context.app.db
    .selectFrom('identity_projects')
    .selectAll()
    .where(matching(query, PROJECT_FILTERS))
    // Domains are no projects here.
    .$if(isYes(query['is_domain']), (select) => select.limit(0))
    .orderBy('name')
    .execute();
  return {
    status: 200,
    body: {
      projects: rows.filter(taggedAs(query)).map((row) => projectView(context, row)),
      links: linksOf(context, '/projects'),
    },
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
    .where('scope_id', '=', comparable(project))
    .executeTakeFirst();
  return row !== undefined;
}

export async function createProject(
  context: RequestContext,
  { body }: Input<object, Query, { project: Project & { name: string } }>,
): Promise<Reply> {
  const { name, description, enabled = true } = body.project;
  const domain = await domainFor(context, body.project);
  if (domain.enabled === 0)
    throw badRequest(`cannot create a project in a branch containing a disabled project: ${domain.id}`);
  const row: ProjectRow = {
    id: newId(context) as ProjectId,
    domain_id: domain.id,
    name,
    description: description ?? '',
    enabled: enabled ? 1 : 0,
    immutable: immutableOf(body.project.options),
    tags: tagsText(body.project.tags),
    extra: extraOf(body.project, null),
  };
  await stored('project', row, () =>
    identityOf(context).change((trx) => trx.insertInto('identity_projects').values(row).execute()),
  );
  return { status: 201, body: { project: projectView(context, row) } };
}

/**
 * Where a new one goes: its domain, which is also its parent, as there are no projects within projects.
 * @throws ApiError 400 for one that is not there, 403 for a place below a project
 */
async function domainFor(context: RequestContext, { domain_id, parent_id }: Project) {
  const wanted = domain_id ?? parent_id ?? (await sessionOf(context)).userDomain.id;
  try {
    const isProject = parent_id != null && parent_id !== wanted;
    if (isProject || domain_id === undefined) await checkNoProject(context, parent_id);
    return await findDomain(context, wanted);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) throw badRequest(error.message);
    throw error;
  }
}

/** @throws ApiError 403 for a project as a parent, 404 for nothing at all */
async function checkNoProject(context: RequestContext, parent: string | null | undefined): Promise<void> {
  if (parent == null) return;
  const { db } = context.app;
  const domain = await db
    .selectFrom('identity_domains')
    .select('id')
    .where('id', '=', parent)
    .executeTakeFirst();
  if (domain !== undefined) return;
  await findProject(context, parent);
  throw new ApiError(403, `Max hierarchy depth reached for ${parent} branch.`);
}

/** @throws ApiError 400 or 403: a project stays where it was made. */
function checkPlace({ domain_id }: ProjectRow, sent: Project): void {
  if (sent.domain_id !== undefined && sent.domain_id !== domain_id)
    throw badRequest('Cannot change Domain ID');
  if (sent.parent_id !== undefined && sent.parent_id !== domain_id)
    throw new ApiError(403, 'Update of `parent_id` is not allowed.');
}

export async function updateProject(
  context: RequestContext,
  { params, body }: Input<{ id: string }, Query, { project: Project }>,
): Promise<Reply> {
  const old = await findProject(context, params.id);
  const sent = body.project;
  checkMutable('project', old, sent);
  checkPlace(old, sent);
  const { name = old.name, description = old.description, enabled = old.enabled === 1 } = sent;
  const row: ProjectRow = {
    ...old,
    name,
    description: description ?? '',
    enabled: enabled ? 1 : 0,
    immutable: immutableOf(sent.options, old.immutable),
    tags: tagsText(sent.tags, old.tags),
    extra: extraOf(sent, old.extra),
  };
  await stored('project', row, () =>
    identityOf(context).change((trx) =>
      trx
        .updateTable('identity_projects')
        .set({
          name,
          description: row.description,
          enabled: row.enabled,
          immutable: row.immutable,
          // Nothing but what was said: somebody may be tagging it at this moment.
          ...(sent.tags !== undefined && { tags: row.tags }),
          ...(row.extra !== old.extra && { extra: row.extra }),
        })
        .where('id', '=', old.id)
        .execute(),
    ),
  );
  return { status: 200, body: { project: projectView(context, row) } };
}

export async function deleteProject(context: RequestContext, { params }: ById): Promise<Reply> {
  const project = await findProject(context, params.id);
  checkMutable('project', project);
  const { id } = project;
  await identityOf(context).change(async (trx) => {
    for (const table of ['identity_assignments', 'identity_group_assignments'] as const)
      await trx.deleteFrom(table).where('scope', '=', 'project').where('scope_id', '=', id).execute();
    await trx
      .updateTable('identity_users')
      .set({ default_project_id: null })
      .where('default_project_id', '=', id)
      .execute();
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
    .where('id', '=', comparable(id as ProjectId))
    .executeTakeFirst();
  if (row === undefined) throw notFound('project', id);
  return row;
}
