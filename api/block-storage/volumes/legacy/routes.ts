/**
 * The actions by which volumes were attached before Cinder had attachments of their own (3.27). Clients of the older kind use them
 * still, and Tempest does.
 */
import { z } from 'zod';
import { connectionData } from '#api/block-storage/attachments/schema.ts';
import { anyQuery, idParams, text255, uuid } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { attachVolume } from './attach.ts';
import { detachVolume } from './detach.ts';
import { initializeConnection } from './initialize-connection.ts';
import { beginDetaching, reserveVolume, rollDetaching, unreserveVolume } from './reserve.ts';
import { terminateConnection } from './terminate-connection.ts';

const ACTION = { method: 'POST', path: '/volumes/{id}/action', params: idParams, query: anyQuery } as const;

const connector = z.union([z.looseObject({}), z.string()]);

const attach = z
  .strictObject({
    instance_uuid: uuid.optional(),
    host_name: text255.optional(),
    mountpoint: text255.min(1, { error: 'is too short' }),
    mode: z.enum(['rw', 'ro'], { error: "is not one of ['rw', 'ro']" }).optional(),
  })
  .refine(({ instance_uuid, host_name }) => instance_uuid !== undefined || host_name !== undefined, {
    error: 'is not valid under any of the given schemas',
  });

export const legacyRoutes: readonly Route[] = [
  route({
    ...ACTION,
    action: 'os-attach',
    summary: 'Note that a volume is attached',
    body: z.strictObject({ 'os-attach': attach }),
    replies: { 202: null },
    handle: (context, { params, body }) => attachVolume(context, params.id, body['os-attach']),
  }),
  route({
    ...ACTION,
    action: 'os-detach',
    summary: 'Note that a volume is detached',
    body: z.strictObject({
      'os-detach': z.strictObject({ attachment_id: uuid.nullish() }).nullable(),
    }),
    replies: { 202: null },
    handle: (context, { params, body }) =>
      detachVolume(context, params.id, body['os-detach']?.attachment_id ?? null),
  }),
  route({
    ...ACTION,
    action: 'os-reserve',
    summary: 'Reserve a volume',
    body: z.strictObject({ 'os-reserve': z.unknown() }),
    replies: { 202: null },
    handle: (context, { params }) => reserveVolume(context, params.id),
  }),
  route({
    ...ACTION,
    action: 'os-unreserve',
    summary: "Take a volume's reservation back",
    body: z.strictObject({ 'os-unreserve': z.unknown() }),
    replies: { 202: null },
    handle: (context, { params }) => unreserveVolume(context, params.id),
  }),
  route({
    ...ACTION,
    action: 'os-begin_detaching',
    summary: 'Say that a volume is being detached',
    body: z.strictObject({ 'os-begin_detaching': z.unknown() }),
    replies: { 202: null },
    handle: (context, { params }) => beginDetaching(context, params.id),
  }),
  route({
    ...ACTION,
    action: 'os-roll_detaching',
    summary: 'Say that a volume is not being detached any more',
    body: z.strictObject({ 'os-roll_detaching': z.unknown() }),
    replies: { 202: null },
    handle: (context, { params }) => rollDetaching(context, params.id),
  }),
  route({
    ...ACTION,
    action: 'os-initialize_connection',
    summary: 'Let a host in',
    body: z.strictObject({ 'os-initialize_connection': z.strictObject({ connector }) }),
    replies: {
      200: z.strictObject({
        connection_info: z.strictObject({
          driver_volume_type: z.literal('iscsi'),
          data: connectionData,
          enforce_multipath: z.boolean(),
        }),
      }),
    },
    handle: (context, { params, body }) =>
      initializeConnection(context, params.id, body['os-initialize_connection'].connector),
  }),
  route({
    ...ACTION,
    action: 'os-terminate_connection',
    summary: 'Shut a host out',
    body: z.strictObject({ 'os-terminate_connection': z.strictObject({ connector: connector.nullable() }) }),
    replies: { 202: null },
    handle: (context, { params, body }) =>
      terminateConnection(context, params.id, body['os-terminate_connection'].connector),
  }),
];
