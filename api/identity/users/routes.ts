import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { password } from '../builtin/wire.ts';
import {
  atLeastOne,
  description,
  enabled,
  listLinks,
  name255,
  options,
  selfLink,
  someId,
} from '../fields.ts';
import { namesOf } from '../filters.ts';
import { group } from '../groups/schema.ts';
import { project } from '../projects/routes.ts';
import {
  createUser,
  deleteUser,
  GROUPS_OF_USER,
  listGroupsOfUser,
  listProjectsOfUser,
  listUsers,
  OF_DOMAIN,
  showUser,
  updateUser,
} from './handlers.ts';
import { changePassword } from './password.ts';

export const user = z.strictObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.string(),
  enabled: z.boolean(),
  description: z.string().optional(),
  email: z.string().optional(),
  default_project_id: z.string().optional(),
  password_expires_at: z.null(),
  options,
  links: selfLink,
});
const one = z.strictObject({ user });

const settable = {
  name: name255,
  description: description.optional(),
  email: z.string().max(255).nullable().optional(),
  default_project_id: someId.nullable().optional(),
  enabled: enabled.optional(),
  password: password.nullable().optional(),
  domain_id: someId.optional(),
  // Keystone's, such as `lock_password`, would promise what nobody keeps.
  options: options.optional(),
};

export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/users',
    summary: 'List users',
    params: noParams,
    query: anyQuery,
    queryNames: namesOf(OF_DOMAIN),
    replies: { 200: z.strictObject({ users: z.array(user), links: listLinks }) },
    handle: listUsers,
  }),
  route({
    method: 'POST',
    path: '/users',
    summary: 'Create a user',
    params: noParams,
    query: anyQuery,
    body: z.looseObject({ user: z.looseObject(settable) }),
    replies: { 201: one },
    handle: createUser,
  }),
  route({
    method: 'GET',
    path: '/users/{id}',
    summary: 'Show a user',
    params: idParams,
    query: anyQuery,
    replies: { 200: one },
    handle: showUser,
  }),
  route({
    method: 'PATCH',
    path: '/users/{id}',
    summary: 'Change a user',
    params: idParams,
    query: anyQuery,
    body: z.looseObject({ user: atLeastOne(z.looseObject({ ...settable, name: name255.optional() })) }),
    replies: { 200: one },
    handle: updateUser,
  }),
  route({
    method: 'DELETE',
    path: '/users/{id}',
    summary: 'Delete a user',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: deleteUser,
  }),
  route({
    method: 'POST',
    path: '/users/{id}/password',
    summary: "Change one's own password",
    params: idParams,
    query: anyQuery,
    body: z.looseObject({
      user: z.looseObject({
        password: password.min(1, { error: 'is too short' }),
        original_password: password,
      }),
    }),
    replies: { 204: null },
    handle: changePassword,
  }),
  route({
    method: 'GET',
    path: '/users/{id}/projects',
    summary: 'List the projects of a user',
    params: idParams,
    query: anyQuery,
    queryNames: namesOf(OF_DOMAIN),
    replies: { 200: z.strictObject({ projects: z.array(project), links: listLinks }) },
    handle: listProjectsOfUser,
  }),
  route({
    method: 'GET',
    path: '/users/{id}/groups',
    summary: 'List the groups of a user',
    params: idParams,
    query: anyQuery,
    queryNames: namesOf(GROUPS_OF_USER),
    replies: {
      200: z.strictObject({
        groups: z.array(group.extend({ membership_expires_at: z.null() })),
        links: listLinks,
      }),
    },
    handle: listGroupsOfUser,
  }),
];
