import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { listLinks } from '../fields.ts';
import { role } from '../roles/routes.ts';
import { assign, checkAssigned, listOf, unassign } from './handlers.ts';
import { INHERITED, listAssignments } from './list.ts';

const text = z.string();
const inDomain = z.strictObject({ id: text, name: text });
const named = z.strictObject({ id: text, name: text.optional(), domain: inDomain.optional() });

/** Whose roles, and where: Keystone has the same four routes for each kind of scope. */
const SCOPES = [
  { scope: 'project', place: '/projects/{scope_id}', ids: { scope_id: text }, end: '' },
  { scope: 'domain', place: '/domains/{scope_id}', ids: { scope_id: text }, end: '' },
  { scope: 'system', place: '/system', ids: {}, end: '' },
  {
    scope: 'inherit',
    place: '/OS-INHERIT/domains/{scope_id}',
    ids: { scope_id: text },
    end: '/inherited_to_projects',
  },
] as const;
const PLACES = (['user', 'group'] as const).flatMap((actor) => SCOPES.map((where) => ({ actor, ...where })));

const scoped = PLACES.flatMap(({ actor, scope, place, ids, end }): Route[] => {
  const base = `${place}/${actor}s/{actor_id}/roles`;
  const ofActor = z.strictObject({ ...ids, actor_id: text });
  const ofRole = z.strictObject({ ...ids, actor_id: text, role_id: text });
  const common = { query: anyQuery } as const;
  return [
    route({
      ...common,
      method: 'GET',
      path: `${base}${end}`,
      summary: `List a ${actor}'s roles (${scope})`,
      params: ofActor,
      replies: { 200: z.strictObject({ roles: z.array(role), links: listLinks }) },
      handle: (context, { params }) => listOf(context, actor, scope, params),
    }),
    route({
      ...common,
      method: 'GET',
      path: `${base}/{role_id}${end}`,
      summary: `Say whether a ${actor} has a role (${scope})`,
      params: ofRole,
      replies: { 204: null },
      handle: (context, { params }) => checkAssigned(context, actor, scope, params),
    }),
    route({
      ...common,
      method: 'PUT',
      path: `${base}/{role_id}${end}`,
      summary: `Give a ${actor} a role (${scope})`,
      params: ofRole,
      replies: { 204: null },
      handle: (context, { params }) => assign(context, actor, scope, params),
    }),
    route({
      ...common,
      method: 'DELETE',
      path: `${base}/{role_id}${end}`,
      summary: `Take a role from a ${actor} (${scope})`,
      params: ofRole,
      replies: { 204: null },
      handle: (context, { params }) => unassign(context, actor, scope, params),
    }),
  ];
});

const assignment = z.strictObject({
  user: named.optional(),
  group: named.optional(),
  role: named,
  scope: z.union([
    z.strictObject({ project: named }),
    z.strictObject({ domain: named }),
    z.strictObject({ domain: named, [INHERITED]: z.literal('projects') }),
    z.strictObject({ project: named, [INHERITED]: z.literal('projects') }),
    z.strictObject({ system: z.strictObject({ all: z.literal(true) }) }),
  ]),
  links: z.strictObject({ assignment: text, membership: text.optional(), prior_role: text.optional() }),
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
      'group.id',
      'role.id',
      'scope.project.id',
      'scope.domain.id',
      'scope.system',
      'scope.OS-INHERIT:inherited_to',
      'effective',
      'include_names',
      'include_subtree',
    ],
    replies: { 200: z.strictObject({ role_assignments: z.array(assignment), links: listLinks }) },
    handle: listAssignments,
  }),
];
