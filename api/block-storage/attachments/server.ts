import type { RequestContext } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { asId, type ServerId } from '#schema/ids.ts';

/** A server that we don't know may be another cloud's; one that we know must be the caller's to use. @throws ApiError 404 */
export async function checkServer({ app, caller }: RequestContext, id: ServerId | null): Promise<void> {
  if (id === null || caller.seesAllProjects) return;
  const server = await app.db
    .selectFrom('servers')
    .select('project_id')
    .where('id', '=', id)
    .executeTakeFirst();
  if (server !== undefined && server.project_id !== caller.projectId) throw notFound('Instance', id);
}

export function asServer(uuid: string | null | undefined): ServerId | null {
  return uuid === undefined || uuid === null ? null : asId<ServerId>(uuid);
}
