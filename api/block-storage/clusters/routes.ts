/** Cinder's "Clusters (clusters)", as it is where none is configured: each storage host works for itself. */
import { z } from 'zod';
import { ApiError, invalidInput, notFound } from '#api/http/errors.ts';
import { anyQuery, noParams, strictFlag } from '#api/http/fields.ts';
import { repr } from '#api/http/python.ts';
import { type Route, route } from '#api/http/route.ts';

const FILTERS = ['name', 'binary', 'is_up', 'disabled', 'num_hosts', 'num_down_hosts'] as const;
/** From here on clusters tell of replication. */
const REPLICATION_SINCE = 26;
const REPLICATION_FILTERS = ['replication_status', 'frozen', 'active_backend_id'] as const;

const reply = z.strictObject({ clusters: z.array(z.unknown()).max(0) });
const none = z.strictObject({ cluster: z.never() });
const binary = z.string().nullish();
const name = z
  .string()
  .min(1, { error: 'is too short' })
  .regex(/\S/, { error: "The 'name' can not be empty." });
const named = { name: name.max(255), binary };
const enableBody = z.strictObject(named);
const disableBody = z.strictObject({
  ...named,
  disabled_reason: z
    .string()
    .max(255, { error: 'is too long' })
    .regex(/\S|^$/, { error: "is not a 'disabled_reason'" })
    .nullish(),
});

const since = 7;

/** Cinder names what it looked for as Python shows a dictionary. */
function noCluster(name: string, binary: string | null = 'cinder-volume'): ApiError {
  return notFound('Cluster', repr({ binary, name }));
}

const list = (path: string, summary: string): Route =>
  route({
    method: 'GET',
    path,
    summary,
    since,
    params: noParams,
    query: anyQuery,
    queryNames: [...FILTERS, ...REPLICATION_FILTERS],
    replies: { 200: reply },
    handle: ({ microversion }, { query }) => {
      const known: readonly string[] =
        microversion < REPLICATION_SINCE ? FILTERS : [...FILTERS, ...REPLICATION_FILTERS];
      const unknown = Object.keys(query).filter((key) => !known.includes(key));
      if (unknown.length > 0)
        throw invalidInput(`Invalid filter keys: ${unknown.join(', ').slice(0, 200).toWellFormed()}`);
      for (const key of ['disabled', 'is_up']) strictFlag(query, key);
      return { status: 200, body: { clusters: [] } };
    },
  });

export const clusterRoutes: readonly Route[] = [
  list('/clusters', 'List clusters'),
  list('/clusters/detail', 'List clusters with details'),
  route({
    method: 'GET',
    path: '/clusters/{name}',
    summary: 'Show a cluster',
    since,
    params: z.strictObject({ name: z.string() }),
    query: anyQuery,
    queryNames: ['binary'],
    replies: { 200: none },
    handle: (_, { params, query }) => {
      throw noCluster(params.name.slice(0, 255), query['binary']);
    },
  }),
  route({
    method: 'PUT',
    path: '/clusters/enable',
    summary: 'Enable a cluster',
    since,
    params: noParams,
    query: anyQuery,
    body: enableBody,
    replies: { 200: none },
    handle: (_, { body }) => {
      throw noCluster(body.name, body.binary);
    },
  }),
  route({
    method: 'PUT',
    path: '/clusters/disable',
    summary: 'Disable a cluster',
    since,
    params: noParams,
    query: anyQuery,
    body: disableBody,
    replies: { 200: none },
    handle: (_, { body }) => {
      throw noCluster(body.name, body.binary);
    },
  }),
  route({
    method: 'PUT',
    path: '/clusters/{action}',
    summary: 'Refuse what is neither',
    since,
    params: z.strictObject({ action: z.string() }),
    query: anyQuery,
    replies: { 200: none },
    handle: () => {
      throw new ApiError(404, 'Unknown action');
    },
  }),
];
