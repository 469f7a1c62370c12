import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { description, enabled, listLinks, name255, options, selfLink, someId } from '../fields.ts';
import { createProject, deleteProject, listProjects, showProject, updateProject } from './handlers.ts';

export const project = z.strictObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.string(),
  description: z.string(),
  enabled: z.boolean(),
  parent_id: z.string(),
  is_domain: z.literal(false),
  tags: z.array(z.string()),
  options,
  links: selfLink,
});
/** Without a list of projects one's own is all that is known of it. */
const bare = z.strictObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.string(),
  enabled: z.literal(true),
  links: selfLink,
});
const one = z.strictObject({ project });

export const projectRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/projects',
    summary: 'List projects',
    params: noParams,
    query: anyQuery,
    queryNames: ['name', 'domain_id', 'enabled'],
    replies: { 200: z.strictObject({ projects: z.array(project), links: listLinks }) },
    handle: listProjects,
  }),
  route({
    method: 'POST',
    path: '/projects',
    summary: 'Create a project',
    params: noParams,
    query: anyQuery,
    body: z.looseObject({
      project: z.looseObject({
        name: name255,
        domain_id: someId.optional(),
        description: description.optional(),
        enabled: enabled.optional(),
      }),
    }),
    replies: { 201: one },
    handle: createProject,
  }),
  route({
    method: 'GET',
    path: '/projects/{id}',
    summary: 'Show a project',
    params: idParams,
    query: anyQuery,
    replies: { 200: z.union([one, z.strictObject({ project: bare })]) },
    handle: showProject,
  }),
  route({
    method: 'PATCH',
    path: '/projects/{id}',
    summary: 'Change a project',
    params: idParams,
    query: anyQuery,
    body: z.looseObject({
      project: z.looseObject({
        name: name255.optional(),
        description: description.optional(),
        enabled: enabled.optional(),
      }),
    }),
    replies: { 200: one },
    handle: updateProject,
  }),
  route({
    method: 'DELETE',
    path: '/projects/{id}',
    summary: 'Delete a project (what it owns stays)',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: deleteProject,
  }),
];
