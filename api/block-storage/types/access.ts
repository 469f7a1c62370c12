import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, conflict } from '#api/http/errors.ts';
import { anyQuery, idParams, text255 } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { ProjectId } from '#schema/ids.ts';
import { findType, noType, type TypeRow } from './rows.ts';

const project = z.strictObject({ project: text255.min(1, { error: 'is too short' }) });
const addBody = z.strictObject({ addProjectAccess: project });
const removeBody = z.strictObject({ removeProjectAccess: project });

const listReply = z.strictObject({
  volume_type_access: z.array(z.strictObject({ volume_type_id: z.string(), project_id: z.string() })),
});

async function list(context: RequestContext, id: string) {
  const type = await findType(context, id);
  if (type.is_public === 1) {
    throw new ApiError(404, 'Access list not available for public volume types.');
  }
  return context.app.db
    .selectFrom('volume_type_projects')
    .select(['volume_type_id', 'project_id'])
    .where('volume_type_id', '=', type.id)
    .orderBy('created_at')
    .orderBy('project_id')
    .execute();
}

/** @throws ApiError 400 for a public type: everybody has it. */
async function findPrivate(context: RequestContext, id: string): Promise<TypeRow> {
  const type = await findType(context, id);
  if (type.is_public === 0) return type;
  throw badRequest('Invalid volume type: Type access modification is not applicable to public volume type.');
}

async function add(context: RequestContext, id: string, projectId: ProjectId): Promise<void> {
  const { db, clock } = context.app;
  const type = await findPrivate(context, id);
  try {
    await db
      .insertInto('volume_type_projects')
      .values({ volume_type_id: type.id, project_id: projectId, created_at: sqlTime(clock.now()) })
      .execute();
  } catch (error) {
    if (isDangling(error)) throw noType(id);
    if (!isDuplicateKey(error)) throw error;
    throw conflict(`Volume type access for ${type.id} / ${projectId} combination already exists.`);
  }
}

async function remove(context: RequestContext, id: string, projectId: ProjectId): Promise<void> {
  const type = await findPrivate(context, id);
  const { numDeletedRows } = await context.app.db
    .deleteFrom('volume_type_projects')
    .where('volume_type_id', '=', type.id)
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow();
  if (numDeletedRows > 0n) return;
  throw new ApiError(404, `Volume type access not found for ${type.id} / ${projectId} combination.`);
}

export const accessRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/types/{type_id}/os-volume-type-access',
    summary: 'List the projects that may use a private type',
    params: z.strictObject({ type_id: z.string() }),
    query: anyQuery,
    replies: { 200: listReply },
    handle: async (context, { params }) => ({
      status: 200,
      body: { volume_type_access: await list(context, params.type_id) },
    }),
  }),
  route({
    method: 'POST',
    path: '/types/{id}/action',
    action: 'addProjectAccess',
    summary: 'Let a project use a private type',
    params: idParams,
    query: anyQuery,
    body: addBody,
    replies: { 202: null },
    handle: async (context, { params, body }) => {
      await add(context, params.id, body.addProjectAccess.project as ProjectId);
      return { status: 202 };
    },
  }),
  route({
    method: 'POST',
    path: '/types/{id}/action',
    action: 'removeProjectAccess',
    summary: 'Let a project no longer use a private type',
    params: idParams,
    query: anyQuery,
    body: removeBody,
    replies: { 202: null },
    handle: async (context, { params, body }) => {
      await remove(context, params.id, body.removeProjectAccess.project as ProjectId);
      return { status: 202 };
    },
  }),
];
