/** Cinder's "Workers cleanup (workers)". */
import { z } from 'zod';
import { anyQuery, flag, noParams, uuid } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { cleanUp } from './cleanup.ts';

const hostname = z
  .string()
  .min(1, { error: 'is too short' })
  .max(255, { error: 'is too long' })
  .regex(/^[a-zA-Z0-9\-._#@:/+]*$/, { error: String.raw`does not match '^[a-zA-Z0-9-._#@:/+]*$'` });
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
        .union([z.int(), z.string().regex(/^\d{0,11}$/, { error: "does not match '^[0-9]*$'" })])
        .transform(Number)
        .nullish(),
      is_up: flag.optional(),
      disabled: flag.optional(),
      binary: z.enum(['cinder-volume', 'cinder-scheduler']).optional(),
      resource_type: z.string().max(40).nullish(),
      resource_id: z
        .union([uuid, z.null()], { error: 'is not valid under any of the given schemas' })
        .optional(),
    }),
    replies: { 202: z.strictObject({ cleaning: services, unavailable: services }) },
    handle: (context, { body }) => cleanUp(context, body),
  }),
];
