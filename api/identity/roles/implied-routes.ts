import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { selfLink } from '../fields.ts';
import { imply, implyNoLonger, listImplied, listInferences, showImplied } from './implied.ts';

const role = z.strictObject({ id: z.string(), name: z.string(), links: selfLink });
const inference = z.strictObject({ prior_role: role, implies: z.array(role) });
const one = z.strictObject({
  role_inference: z.strictObject({ prior_role: role, implies: role }),
  links: selfLink,
});

const ofBoth = {
  path: '/roles/{id}/implies/{implied_id}',
  params: z.strictObject({ id: z.string(), implied_id: z.string() }),
  query: anyQuery,
} as const;

export const impliedRoleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/role_inferences',
    summary: 'List which roles imply which',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ role_inferences: z.array(inference) }) },
    handle: listInferences,
  }),
  route({
    method: 'GET',
    path: '/roles/{id}/implies',
    summary: 'List what a role implies',
    params: idParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ role_inference: inference, links: selfLink }) },
    handle: listImplied,
  }),
  route({
    ...ofBoth,
    method: 'GET',
    summary: 'Say whether a role implies another',
    head: 204,
    replies: { 200: one },
    handle: showImplied,
  }),
  route({
    ...ofBoth,
    method: 'PUT',
    summary: 'Make a role imply another',
    replies: { 201: one },
    handle: imply,
  }),
  route({
    ...ofBoth,
    method: 'DELETE',
    summary: 'Make a role imply another no longer',
    replies: { 204: null },
    handle: implyNoLonger,
  }),
];
