/** Cinder's "Workers cleanup (workers)". */
import { z } from 'zod';
import { anyQuery, flag, noParams, uuid } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { cleanUp } from './cleanup.ts';

const hostname = z.string().regex(/^[a-zA-Z0-9\-._#@:/+]{1,255}$/, { error: 'does not name a host' });
const services = z.array(
  z.strictObject({ id: z.int(), host: z.string(), binary: z.string(), cluster_name: z.null() }),
);

export const workerRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/workers/cleanup',
    summary: 'Take up what services that are gone have left',
    since: 24,
    params: noParams,
    query: anyQuery,
    body: z.strictObject({
      cluster_name: hostname.nullish(),
      host: hostname.nullish(),
      service_id: z
        .union([z.int().min(0), z.string().regex(/^\d{1,11}$/)])
        .transform(Number)
        .nullish(),
      is_up: flag.optional(),
      disabled: flag.optional(),
      binary: z.enum(['cinder-volume', 'cinder-scheduler']).optional(),
      resource_type: z.string().max(40).nullish(),
      resource_id: uuid.nullish(),
    }),
    replies: { 202: z.strictObject({ cleaning: services, unavailable: services }) },
    handle: (context, { body }) => cleanUp(context, body),
  }),
];
