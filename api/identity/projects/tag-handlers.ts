import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import { forbidden, notFound } from '../errors.ts';
import { identityOf } from '../fields.ts';
import { checkMutable } from '../options.ts';
import { mayAdminister } from '../who.ts';
import { findProject, type ProjectRow } from './handlers.ts';
import { tags as schema, tagsOf, tagsText } from './tags.ts';

type Query = Record<string, string>;
type OfProject = Input<{ id: string }, Query, unknown>;
type ById = Input<{ id: string; tag: string }, Query, unknown>;

export async function listTags(context: RequestContext, { params: { id } }: OfProject): Promise<Reply> {
  return { status: 200, body: view(context, tagsOf(await visible(context, id)), id) };
}

export async function checkTag(context: RequestContext, { params: { id, tag } }: ById): Promise<Reply> {
  if (!tagsOf(await visible(context, id)).includes(tag)) throw notFound('project tag', tag);
  return { status: 204 };
}

export async function addTag(context: RequestContext, { params: { id, tag } }: ById): Promise<Reply> {
  await change(context, id, (tags) => [...new Set([...tags, tag])]);
  return { status: 201, headers: { Location: `${context.selfUrl}/projects/${id}/tags/${tag}` } };
}

export async function removeTag(context: RequestContext, { params: { id, tag } }: ById): Promise<Reply> {
  await change(context, id, (tags) => {
    if (!tags.includes(tag)) throw notFound('project tag', tag);
    return tags.filter((one) => one !== tag);
  });
  return { status: 204 };
}

export async function setTags(
  context: RequestContext,
  { params: { id }, body: { tags } }: Input<{ id: string }, Query, { tags: readonly string[] }>,
): Promise<Reply> {
  await change(context, id, () => tags);
  return { status: 200, body: view(context, tags, id) };
}

export async function clearTags(context: RequestContext, { params: { id } }: OfProject): Promise<Reply> {
  await change(context, id, () => []);
  return { status: 204 };
}

const view = ({ selfUrl }: RequestContext, tags: readonly string[], id: string) => ({
  tags: tags.toSorted(),
  links: { self: `${selfUrl}/projects/${id}/tags`, next: null, previous: null },
});

/** @throws ApiError 403 for those who are neither in it nor administrators */
async function visible(context: RequestContext, id: string): Promise<ProjectRow> {
  if (!mayAdminister(context.caller) && id !== context.caller.projectId)
    throw forbidden('identity:list_project_tags');
  return findProject(context, id);
}

/** One change after the other: two that come at once both count. */
async function change(
  context: RequestContext,
  id: string,
  edit: (tags: readonly string[]) => readonly string[],
): Promise<void> {
  checkMutable('project', await findProject(context, id), {});
  await identityOf(context).change(async (trx) => {
    const row = await trx
      .selectFrom('identity_projects')
      .select('tags')
      .where('id', '=', id as ProjectRow['id'])
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) throw notFound('project', id);
    const wanted = schema.safeParse(edit(tagsOf(row)));
    if (!wanted.success)
      throw badRequest(`Invalid input for field 'tags': ${wanted.error.issues[0]?.message}`);
    await trx
      .updateTable('identity_projects')
      .set({ tags: tagsText(wanted.data) })
      .where('id', '=', id as ProjectRow['id'])
      .execute();
  });
}
