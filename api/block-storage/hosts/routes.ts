import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { listHosts, showHost, updateHost } from './handlers.ts';

const host = z.strictObject({
  host_name: z.string(),
  service: z.string(),
  zone: z.string(),
  'service-status': z.enum(['available', 'unavailable']),
  'service-state': z.enum(['enabled', 'disabled']),
  'last-update': z.string(),
});
const resource = z.strictObject({
  host: z.string(),
  project: z.string(),
  volume_count: z.string(),
  total_volume_gb: z.string(),
  snapshot_count: z.string(),
  total_snapshot_gb: z.string(),
});
const params = z.strictObject({ host: z.string() });

export const hostRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-hosts',
    summary: 'List hosts',
    params: noParams,
    query: anyQuery,
    queryNames: ['zone'],
    replies: { 200: z.strictObject({ hosts: z.array(host) }) },
    handle: (context, { query }) => listHosts(context, query['zone']),
  }),
  route({
    method: 'GET',
    path: '/os-hosts/{host}',
    summary: 'Show what lies on a host',
    params,
    query: anyQuery,
    replies: { 200: z.strictObject({ host: z.array(z.strictObject({ resource })) }) },
    handle: (context, input) => showHost(context, input.params.host),
  }),
  route({
    method: 'PUT',
    path: '/os-hosts/{host}',
    summary: 'Enable or disable a host',
    params,
    query: anyQuery,
    body: z.record(z.string(), z.unknown()),
    replies: { 200: z.strictObject({ host: z.string().optional(), status: z.string().optional() }) },
    handle: (context, input) => updateHost(context, input.params.host, input.body),
  }),
];
