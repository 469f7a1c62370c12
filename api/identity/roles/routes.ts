import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { atLeastOne, description, listLinks, name255, selfLink } from '../fields.ts';
import { namesOf } from '../filters.ts';
import { resourceOptions, resourceOptionsView } from '../options.ts';
import { createRole, deleteRole, listRoles, NAMED, showRole, updateRole } from './handlers.ts';

export const role = z.strictObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.null(),
  description: z.string().nullable(),
  options: resourceOptionsView,
  links: selfLink,
});
const one = z.strictObject({ role });
const settable = { description: description.optional(), options: resourceOptions.optional() };

export const roleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/roles',
    summary: 'List roles',
    params: noParams,
    query: anyQuery,
    queryNames: [...namesOf(NAMED), 'domain_id'],
    replies: { 200: z.strictObject({ roles: z.array(role), links: listLinks }) },
    handle: listRoles,
  }),
  route({
    method: 'POST',
    path: '/roles',
    summary: 'Create a role',
    params: noParams,
    query: anyQuery,
    body: z.looseObject({
      role: z.looseObject({
        ...settable,
        name: name255,
        domain_id: z.null({ error: 'is not supported: roles are of no domain here' }).optional(),
      }),
    }),
    replies: { 201: one },
    handle: createRole,
  }),
  route({
    method: 'GET',
    path: '/roles/{id}',
    summary: 'Show a role',
    params: idParams,
    query: anyQuery,
    replies: { 200: one },
    handle: showRole,
  }),
  route({
    method: 'PATCH',
    path: '/roles/{id}',
    summary: 'Change a role',
    params: idParams,
    query: anyQuery,
    body: z.looseObject({
      role: atLeastOne(z.looseObject({ ...settable, name: name255.optional() })),
    }),
    replies: { 200: one },
    handle: updateRole,
  }),
  route({
    method: 'DELETE',
    path: '/roles/{id}',
    summary: 'Delete a role',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: deleteRole,
  }),
];
