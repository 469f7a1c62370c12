/** The catalog once more, as administrators list it; it is made, not kept, so nothing here can be changed. */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { catalogOf, REGION } from '../catalog.ts';
import { notFound } from '../errors.ts';
import { identityOf, linksOf, listLinks, selfLink } from '../fields.ts';

const text = z.string();
const service = z.strictObject({
  id: text,
  name: text,
  type: text,
  description: text,
  enabled: z.literal(true),
  links: selfLink,
});
const endpoint = z.strictObject({
  id: text,
  service_id: text,
  interface: text,
  region: text,
  region_id: text,
  url: text,
  enabled: z.literal(true),
  links: selfLink,
});
const region = z.strictObject({ id: text, description: text, parent_region_id: z.null(), links: selfLink });

type Query = Readonly<Record<string, string>>;

/** What Keystone's table has where a project's id will stand. */
const ANY_PROJECT = '%(project_id)s';

function servicesOf(context: RequestContext, { name, type }: Query = {}): z.infer<typeof service>[] {
  identityOf(context);
  return catalogOf(context, ANY_PROJECT)
    .filter((one) => (name ?? one.name) === one.name && (type ?? one.type) === one.type)
    .map(({ id, name, type }) => ({
      id,
      name,
      type,
      description: '',
      enabled: true,
      links: { self: `${context.selfUrl}/services/${id}` },
    }));
}

function endpointsOf(
  context: RequestContext,
  { service_id: id, interface: kind, region_id: region }: Query = {},
): z.infer<typeof endpoint>[] {
  identityOf(context);
  return catalogOf(context, ANY_PROJECT)
    .filter((service) => (id ?? service.id) === service.id && (region ?? REGION) === REGION)
    .flatMap(({ id, endpoints }) =>
      endpoints.map((one) => ({
        ...one,
        service_id: id,
        enabled: true as const,
        links: { self: `${context.selfUrl}/endpoints/${one.id}` },
      })),
    )
    .filter((one) => (kind ?? one.interface) === one.interface);
}

function regionsOf(context: RequestContext): z.infer<typeof region>[] {
  identityOf(context);
  const links = { self: `${context.selfUrl}/regions/${REGION}` };
  return [{ id: REGION, description: '', parent_region_id: null, links }];
}

/** @throws ApiError 404 */
function byId<T extends { readonly id: string }>(what: string, all: readonly T[], id: string): T {
  const found = all.find((one) => one.id === id);
  if (found === undefined) throw notFound(what, id);
  return found;
}

const list = { method: 'GET', params: noParams, query: anyQuery } as const;
const show = { method: 'GET', params: idParams, query: anyQuery } as const;

export const serviceRoutes: readonly Route[] = [
  route({
    ...list,
    path: '/services',
    summary: 'List services',
    queryNames: ['name', 'type'],
    replies: { 200: z.strictObject({ services: z.array(service), links: listLinks }) },
    handle: (context, { query }) => ({
      status: 200,
      body: { services: servicesOf(context, query), links: linksOf(context, '/services') },
    }),
  }),
  route({
    ...show,
    path: '/services/{id}',
    summary: 'Show a service',
    replies: { 200: z.strictObject({ service }) },
    handle: (context, { params: { id } }) => ({
      status: 200,
      body: { service: byId('service', servicesOf(context), id) },
    }),
  }),
  route({
    ...list,
    path: '/endpoints',
    summary: 'List endpoints',
    queryNames: ['service_id', 'interface', 'region_id'],
    replies: { 200: z.strictObject({ endpoints: z.array(endpoint), links: listLinks }) },
    handle: (context, { query }) => ({
      status: 200,
      body: { endpoints: endpointsOf(context, query), links: linksOf(context, '/endpoints') },
    }),
  }),
  route({
    ...show,
    path: '/endpoints/{id}',
    summary: 'Show an endpoint',
    replies: { 200: z.strictObject({ endpoint }) },
    handle: (context, { params: { id } }) => ({
      status: 200,
      body: { endpoint: byId('endpoint', endpointsOf(context), id) },
    }),
  }),
  route({
    ...list,
    path: '/regions',
    summary: 'List regions',
    replies: { 200: z.strictObject({ regions: z.array(region), links: listLinks }) },
    handle: (context) => ({
      status: 200,
      body: { regions: regionsOf(context), links: linksOf(context, '/regions') },
    }),
  }),
  route({
    ...show,
    path: '/regions/{id}',
    summary: 'Show a region',
    replies: { 200: z.strictObject({ region }) },
    handle: (context, { params: { id } }) => ({
      status: 200,
      body: { region: byId('region', regionsOf(context), id) },
    }),
  }),
];
