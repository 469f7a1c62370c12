import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { atLeastOne, description, enabled, listLinks, name64, selfLink, someId } from '../fields.ts';
import { namesOf } from '../filters.ts';
import { resourceOptions, resourceOptionsView } from '../options.ts';
import {
  createProject,
  deleteProject,
  listProjects,
  PROJECT_FILTERS,
  showProject,
  updateProject,
} from './handlers.ts';
import { TAG_FILTERS, tags } from './tags.ts';

/** Keystone shows whatever else it was told of a project beside these. */
export const project = z.looseObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.string(),
  description: z.string(),
  enabled: z.boolean(),
  parent_id: z.string(),
  is_domain: z.literal(false),
  tags: z.array(z.string()),
  options: resourceOptionsView,
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
const settable = {
  domain_id: someId.optional(),
  parent_id: someId.nullable().optional(),
  description: description.optional(),
  enabled: enabled.optional(),
  tags: tags.optional(),
  options: resourceOptions.optional(),
};

export const projectRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/projects',
    summary: 'List projects',
    params: noParams,
    query: anyQuery,
    queryNames: [...namesOf(PROJECT_FILTERS), 'is_domain', ...TAG_FILTERS],
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
        ...settable,
        name: name64,
        is_domain: z.literal(false, { error: 'is not supported: create a domain' }).optional(),
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
      project: atLeastOne(z.looseObject({ ...settable, name: name64.optional() })),
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
