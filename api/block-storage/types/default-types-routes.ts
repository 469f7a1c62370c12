import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { anyQuery, noParams, text255 } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { sqlTime } from '#schema/clock.ts';
import type { ProjectId } from '#schema/ids.ts';
import { namedTypeMissing, readTypeByNameOrId } from './rows.ts';

const SINCE = 62;

const params = z.strictObject({ project: text255 });
const setBody = z.strictObject({
  default_type: z.strictObject({ volume_type: text255.min(1, { error: 'is too short' }) }),
});
const defaultType = z.strictObject({ project_id: z.string(), volume_type_id: z.string() });
const showReply = z.strictObject({ default_type: defaultType });
const listReply = z.strictObject({ default_types: z.array(defaultType) });

async function set({ app }: RequestContext, project: ProjectId, wanted: string) {
  const type = await readTypeByNameOrId(app.db, wanted);
  if (type === undefined) throw badRequest(namedTypeMissing(wanted).message);
  const now = sqlTime(app.clock.now());
  try {
    await app.db
      .insertInto('default_volume_types')
      .values({ project_id: project, volume_type_id: type.id, created_at: now, updated_at: null })
      .onDuplicateKeyUpdate({ volume_type_id: type.id, updated_at: now })
      .execute();
  } catch (error) {
    throw isDangling(error) ? badRequest(namedTypeMissing(wanted).message) : error;
  }
  app.defaultTypes.forget();
  return { project_id: project, volume_type_id: type.id };
}

async function show({ app }: RequestContext, project: ProjectId) {
  const row = await app.db
    .selectFrom('default_volume_types')
    .select(['project_id', 'volume_type_id'])
    .where('project_id', '=', project)
    .executeTakeFirst();
  if (row === undefined) throw new ApiError(404, `Default type for project ${project} not found.`);
  return row;
}

const admin = { since: SINCE, query: anyQuery } as const;

/** The types of volumes for which none is asked, per project (3.62). */
export const defaultTypeRoutes: readonly Route[] = [
  route({
    ...admin,
    method: 'GET',
    path: '/default-types',
    summary: "List projects' default types",
    params: noParams,
    replies: { 200: listReply },
    handle: async ({ app }) => ({
      status: 200,
      body: {
        default_types: await app.db
          .selectFrom('default_volume_types')
          .select(['project_id', 'volume_type_id'])
          .orderBy('created_at')
          .orderBy('project_id')
          .execute(),
      },
    }),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/default-types/{project}',
    summary: "Show a project's default type",
    params,
    replies: { 200: showReply },
    handle: async (context, { params: { project } }) => ({
      status: 200,
      body: { default_type: await show(context, project as ProjectId) },
    }),
  }),
  route({
    ...admin,
    method: 'PUT',
    path: '/default-types/{project}',
    summary: "Set a project's default type",
    params,
    body: setBody,
    replies: { 200: showReply },
    handle: async (context, { params: { project }, body }) => ({
      status: 200,
      body: { default_type: await set(context, project as ProjectId, body.default_type.volume_type) },
    }),
  }),
  route({
    ...admin,
    method: 'DELETE',
    path: '/default-types/{project}',
    summary: "Unset a project's default type",
    params,
    replies: { 204: null },
    handle: async ({ app }, { params: { project } }) => {
      await app.db
        .deleteFrom('default_volume_types')
        .where('project_id', '=', project as ProjectId)
        .execute();
      app.defaultTypes.forget();
      return { status: 204 };
    },
  }),
];
