/** Cinder's "Services (os-services)". */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, invalidInput } from '#api/http/errors.ts';
import { anyQuery, noParams, upTo } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { failover, freeze, HOST_ONLY, thaw } from './freeze.ts';
import { listServices, setService } from './handlers.ts';
import { hostSchema as host } from './host-or-cluster.ts';
import { changeLogLevels, getLogLevels } from './log-levels.ts';

const binary = z.string().min(1, { error: 'is too short' }).max(255, { error: 'is too long' });
const switchable = z.strictObject({
  host,
  binary: binary.optional(),
  service: binary.optional(),
  cluster: z.string().nullish(),
});
const oneOfThem = { error: 'is not valid under any of the given schemas' } as const;
const named = (body: { binary?: string | undefined; service?: string | undefined }): boolean =>
  (body.binary ?? body.service) !== undefined;
const body = switchable.refine(named, oneOfThem);
const bodyWithReason = switchable
  .extend({
    disabled_reason: z
      .string()
      .min(1, { error: 'is too short' })
      .refine(upTo(255), { error: 'is too long' })
      .refine((text) => text.trim() !== '', { error: "is not a 'disabled_reason'" })
      .optional(),
  })
  .refine(named, oneOfThem);

const freezable = z.strictObject({ host, cluster: z.string().nullish() });
const failoverBody = freezable.extend({ backend_id: z.string().nullish() });

const logged = z.strictObject({
  binary: z.enum(['cinder-scheduler', 'cinder-volume', 'cinder-backup', 'cinder-api', '', '*']).optional(),
  server: z.string().nullish(),
  prefix: z.string().nullish(),
});
const levels = z.array(
  z.strictObject({ host: z.string(), binary: z.string(), levels: z.record(z.string(), z.string()) }),
);

const service = z.strictObject({
  binary: z.string(),
  host: z.string(),
  zone: z.string(),
  status: z.enum(['enabled', 'disabled']),
  state: z.enum(['up', 'down']),
  updated_at: z.string(),
  disabled_reason: z.string().nullable(),
  backend_state: z.enum(['up', 'down']).optional(),
  cluster: z.null().optional(),
  replication_status: z.literal('disabled').optional(),
  active_backend_id: z.null().optional(),
  frozen: z.boolean().optional(),
});

const switched = z.strictObject({
  host: z.string(),
  service: z.string(),
  binary: z.string(),
  status: z.enum(['enabled', 'disabled']),
  disabled: z.boolean(),
  disabled_reason: z.string().nullable().optional(),
});

/** What is done from a microversion on is an action that nobody knows before. @throws ApiError 400 */
function since(minor: number, { microversion }: RequestContext, work: () => Promise<Reply>): Promise<Reply> {
  if (microversion >= minor) return work();
  throw unknownAction();
}

const unknownAction = (): ApiError => invalidInput('Unknown action');

const put = { method: 'PUT', params: noParams, query: anyQuery } as const;

export const serviceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-services',
    summary: 'List services',
    params: noParams,
    query: anyQuery,
    queryNames: ['host', 'binary'],
    replies: { 200: z.strictObject({ services: z.array(service) }) },
    handle: (context, { query }) => listServices(context, query),
  }),
  route({
    ...put,
    path: '/os-services/enable',
    summary: 'Enable a service',
    body,
    replies: { 200: switched },
    handle: (context, input) => setService(context, input.body, { disabled: false }),
  }),
  route({
    ...put,
    path: '/os-services/disable',
    summary: 'Disable a service',
    body,
    replies: { 200: switched },
    handle: (context, input) => setService(context, input.body, { disabled: true }),
  }),
  route({
    ...put,
    path: '/os-services/disable-log-reason',
    summary: 'Disable a service and say why',
    body: bodyWithReason,
    replies: { 200: switched },
    handle: (context, input) =>
      setService(context, input.body, { disabled: true, reason: input.body.disabled_reason ?? null }),
  }),
  route({
    ...put,
    path: '/os-services/freeze',
    summary: 'Freeze a storage back end',
    body: freezable,
    replies: { 200: null },
    handle: (context, input) => freeze(context, input.body),
  }),
  route({
    ...put,
    path: '/os-services/thaw',
    summary: 'Thaw a storage back end',
    body: freezable,
    replies: { 200: null },
    handle: (context, input) => thaw(context, input.body),
  }),
  route({
    ...put,
    path: '/os-services/failover_host',
    summary: 'Fail a storage back end over',
    body: failoverBody,
    replies: { 202: null },
    handle: (context, input) => failover(context, { host: input.body.host }, HOST_ONLY),
  }),
  route({
    ...put,
    path: '/os-services/failover',
    summary: 'Fail a storage back end or a cluster over',
    body: failoverBody,
    replies: { 202: null },
    handle: (context, input) => since(26, context, () => failover(context, input.body)),
  }),
  route({
    ...put,
    path: '/os-services/get-log',
    summary: 'Show what services log',
    body: logged,
    replies: { 200: z.strictObject({ log_levels: levels }) },
    handle: (context, input) => since(32, context, () => getLogLevels(context, input.body)),
  }),
  route({
    ...put,
    path: '/os-services/set-log',
    summary: 'Change what services log',
    body: logged.extend({ level: z.string().nullish() }),
    replies: { 202: null },
    handle: (context, input) => since(32, context, () => changeLogLevels(context, input.body)),
  }),
  route({
    ...put,
    params: z.strictObject({ action: z.string() }),
    path: '/os-services/{action}',
    summary: 'Refuse what is none of these',
    replies: { 200: null },
    handle: () => {
      throw unknownAction();
    },
  }),
];
