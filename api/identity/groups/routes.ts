import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { description, listLinks, name255, someId } from '../fields.ts';
import { namesOf } from '../filters.ts';
import { user } from '../users/routes.ts';
import { createGroup, deleteGroup, GROUP_FILTERS, listGroups, showGroup, updateGroup } from './handlers.ts';
import { addMember, checkMember, listMembers, MEMBER_FILTERS, removeMember } from './members.ts';
import { group } from './schema.ts';

const one = z.strictObject({ group });
const member = z.strictObject({ id: z.string(), user_id: z.string() });

export const groupRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/groups',
    summary: 'List groups',
    params: noParams,
    query: anyQuery,
    queryNames: namesOf(GROUP_FILTERS),
    replies: { 200: z.strictObject({ groups: z.array(group), links: listLinks }) },
    handle: listGroups,
  }),
  route({
    method: 'POST',
    path: '/groups',
    summary: 'Create a group',
    params: noParams,
    query: anyQuery,
    body: z.looseObject({
      group: z.looseObject({
        name: name255,
        domain_id: someId.optional(),
        description: description.optional(),
      }),
    }),
    replies: { 201: one },
    handle: createGroup,
  }),
  route({
    method: 'GET',
    path: '/groups/{id}',
    summary: 'Show a group',
    params: idParams,
    query: anyQuery,
    replies: { 200: one },
    handle: showGroup,
  }),
  route({
    method: 'PATCH',
    path: '/groups/{id}',
    summary: 'Change a group',
    params: idParams,
    query: anyQuery,
    body: z.looseObject({
      group: z.looseObject({ name: name255.optional(), description: description.optional() }),
    }),
    replies: { 200: one },
    handle: updateGroup,
  }),
  route({
    method: 'DELETE',
    path: '/groups/{id}',
    summary: 'Delete a group',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: deleteGroup,
  }),
  route({
    method: 'GET',
    path: '/groups/{id}/users',
    summary: 'List the users of a group',
    params: idParams,
    query: anyQuery,
    queryNames: namesOf(MEMBER_FILTERS),
    replies: { 200: z.strictObject({ users: z.array(user), links: listLinks }) },
    handle: listMembers,
  }),
  route({
    method: 'GET',
    path: '/groups/{id}/users/{user_id}',
    summary: 'Say whether a user is in a group',
    params: member,
    query: anyQuery,
    replies: { 204: null },
    handle: checkMember,
  }),
  route({
    method: 'PUT',
    path: '/groups/{id}/users/{user_id}',
    summary: 'Add a user to a group',
    params: member,
    query: anyQuery,
    replies: { 204: null },
    handle: addMember,
  }),
  route({
    method: 'DELETE',
    path: '/groups/{id}/users/{user_id}',
    summary: "Take a user from a group, which ends the user's tokens",
    params: member,
    query: anyQuery,
    replies: { 204: null },
    handle: removeMember,
  }),
];
