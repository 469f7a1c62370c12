/** Keystone's API v3, as far as the stock command line needs it to share images. */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { forbidden } from '#api/http/errors.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { DOMAIN } from './domain.ts';

const project = z.strictObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.string(),
  enabled: z.literal(true),
  links: z.strictObject({ self: z.string() }),
});

const notYours = (action: string) =>
  forbidden(`You are not authorized to perform the requested action: identity:${action}.`);

/**
 * Nobody keeps a list of projects: one knows one's own. Told that others are none of their business, clients take what
 * they were given for a project's id.
 * @throws ApiError 403 for any other.
 */
function projectOf({ caller, selfUrl }: RequestContext, id: string): z.infer<typeof project> {
  if (id !== caller.projectId) throw notYours('get_project');
  const links = { self: `${selfUrl}/projects/${id}` };
  return { id, name: id, domain_id: DOMAIN.id, enabled: true, links };
}

export const identityRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/projects',
    summary: 'List projects (nobody may)',
    params: noParams,
    query: anyQuery,
    replies: {},
    handle: () => {
      throw notYours('list_projects');
    },
  }),
  route({
    method: 'GET',
    path: '/projects/{id}',
    summary: "Show the caller's project",
    params: idParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ project }) },
    handle: (context, { params }) => ({ status: 200, body: { project: projectOf(context, params.id) } }),
  }),
];
