import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { catalog } from '../catalog.ts';
import { domain } from '../domains/routes.ts';
import { listLinks, selfLink } from '../fields.ts';
import { project } from '../projects/routes.ts';
import {
  listOwnDomains,
  listOwnProjects,
  listOwnSystem,
  revokeToken,
  showCatalog,
  showToken,
} from './handlers.ts';
import { tokenReply } from './schema.ts';

const common = { params: noParams, query: anyQuery } as const;

export const authRoutes: readonly Route[] = [
  route({
    ...common,
    method: 'GET',
    path: '/auth/tokens',
    headers: ['X-Subject-Token'],
    summary: 'Say what the token in X-Subject-Token is good for',
    queryNames: ['nocatalog'],
    replies: { 200: tokenReply },
    handle: showToken,
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/auth/tokens',
    headers: ['X-Subject-Token'],
    summary: 'End the token in X-Subject-Token',
    replies: { 204: null },
    handle: revokeToken,
  }),
  route({
    ...common,
    method: 'GET',
    path: '/auth/catalog',
    summary: 'Show where each API is',
    replies: { 200: z.strictObject({ catalog, links: selfLink }) },
    handle: showCatalog,
  }),
  route({
    ...common,
    method: 'GET',
    path: '/auth/projects',
    summary: "List the projects that one's token may be exchanged for",
    replies: { 200: z.strictObject({ projects: z.array(project), links: listLinks }) },
    handle: listOwnProjects,
  }),
  route({
    ...common,
    method: 'GET',
    path: '/auth/domains',
    summary: "List the domains that one's token may be exchanged for",
    replies: { 200: z.strictObject({ domains: z.array(domain), links: listLinks }) },
    handle: listOwnDomains,
  }),
  route({
    ...common,
    method: 'GET',
    path: '/auth/system',
    summary: "Say whether one's token may be exchanged for the system",
    replies: {
      200: z.strictObject({ system: z.array(z.strictObject({ all: z.literal(true) })), links: selfLink }),
    },
    handle: listOwnSystem,
  }),
];
