import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { listLinks, selfLink } from '../fields.ts';
import { role } from '../roles/routes.ts';
import { assign, checkAssigned, listOf, unassign } from './handlers.ts';
import { listAssignments } from './list.ts';

const text = z.string();
const inDomain = z.strictObject({ id: text, name: text });
const named = z.strictObject({ id: text, name: text.optional(), domain: inDomain.optional() });

/** Whose roles, and where: Keystone has the same four routes for each kind of scope. */
const SCOPES = [
  { scope: 'project', base: '/projects/{scope_id}/users/{user_id}/roles', ids: { scope_id: text } },
  { scope: 'domain', base: '/domains/{scope_id}/users/{user_id}/roles', ids: { scope_id: text } },
  { scope: 'system', base: '/system/users/{user_id}/roles', ids: {} },
] as const;

const scoped = SCOPES.flatMap(({ scope, base, ids }): Route[] => {
  const ofUser = z.strictObject({ ...ids, user_id: text });
  const ofRole = z.strictObject({ ...ids, user_id: text, role_id: text });
  const common = { query: anyQuery } as const;
  return [
    route({
      ...common,
      method: 'GET',
      path: base,
      summary: `List a user's roles (${scope})`,
      params: ofUser,
      replies: { 200: z.strictObject({ roles: z.array(role), links: listLinks }) },
      handle: (context, { params }) => listOf(context, scope, params),
    }),
    route({
      ...common,
      method: 'GET',
      path: `${base}/{role_id}`,
      summary: `Say whether a user has a role (${scope})`,
      params: ofRole,
      replies: { 204: null },
      handle: (context, { params }) => checkAssigned(context, scope, params),
    }),
    route({
      ...common,
      method: 'PUT',
      path: `${base}/{role_id}`,
      summary: `Give a user a role (${scope})`,
      params: ofRole,
      replies: { 204: null },
      handle: (context, { params }) => assign(context, scope, params),
    }),
    route({
      ...common,
      method: 'DELETE',
      path: `${base}/{role_id}`,
      summary: `Take a role from a user (${scope})`,
      params: ofRole,
      replies: { 204: null },
      handle: (context, { params }) => unassign(context, scope, params),
    }),
  ];
});

const assignment = z.strictObject({
  user: named,
  role: named,
  scope: z.union([
    z.strictObject({ project: named }),
    z.strictObject({ domain: named }),
    z.strictObject({ system: z.strictObject({ all: z.literal(true) }) }),
  ]),
  links: z.strictObject({ assignment: selfLink.shape.self }),
});

export const assignmentRoutes: readonly Route[] = [
  ...scoped,
  route({
    method: 'GET',
    path: '/role_assignments',
    summary: 'List role assignments',
    params: noParams,
    query: anyQuery,
    queryNames: [
      'user.id',
      'role.id',
      'scope.project.id',
      'scope.domain.id',
      'scope.system',
      'include_names',
    ],
    replies: { 200: z.strictObject({ role_assignments: z.array(assignment), links: listLinks }) },
    handle: listAssignments,
  }),
];
