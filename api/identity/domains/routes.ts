import { z } from 'zod';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { atLeastOne, description, enabled, listLinks, name64, selfLink, someId } from '../fields.ts';
import { namesOf } from '../filters.ts';
import { resourceOptions, resourceOptionsView } from '../options.ts';
import {
  createDomain,
  DOMAIN_FILTERS,
  deleteDomain,
  listDomains,
  showDomain,
  updateDomain,
} from './handlers.ts';

export const domain = z.strictObject({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  enabled: z.boolean(),
  tags: z.array(z.string()),
  options: resourceOptionsView,
  links: selfLink,
});
const one = z.strictObject({ domain });
const settable = {
  description: description.optional(),
  enabled: enabled.optional(),
  options: resourceOptions.optional(),
};

export const domainRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/domains',
    summary: 'List domains',
    params: noParams,
    query: anyQuery,
    queryNames: namesOf(DOMAIN_FILTERS),
    replies: { 200: z.strictObject({ domains: z.array(domain), links: listLinks }) },
    handle: listDomains,
  }),
  route({
    method: 'POST',
    path: '/domains',
    summary: 'Create a domain',
    params: noParams,
    query: anyQuery,
    body: z.looseObject({
      domain: z.looseObject({
        ...settable,
        name: name64,
        explicit_domain_id: someId.optional(),
      }),
    }),
    replies: { 201: one },
    handle: createDomain,
  }),
  route({
    method: 'GET',
    path: '/domains/{id}',
    summary: 'Show a domain',
    params: idParams,
    query: anyQuery,
    replies: { 200: one },
    handle: showDomain,
  }),
  route({
    method: 'PATCH',
    path: '/domains/{id}',
    summary: 'Change a domain',
    params: idParams,
    query: anyQuery,
    body: z.looseObject({
      domain: atLeastOne(z.looseObject({ ...settable, name: name64.optional() })),
    }),
    replies: { 200: one },
    handle: updateDomain,
  }),
  route({
    method: 'DELETE',
    path: '/domains/{id}',
    summary: 'Delete a disabled domain with its projects and users',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: deleteDomain,
  }),
];
