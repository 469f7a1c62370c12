/** Nova's "Servers with volume attachments (os-volume_attachments)". */
import { z } from 'zod';
import { anyQuery, flag, uuid } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { attach } from './attach.ts';
import { detach } from './detach.ts';
import { listAttached, showAttached } from './show.ts';
import { update } from './update.ts';

const serverParams = z.strictObject({ server_id: z.string() });
const volumeParams = z.strictObject({ server_id: z.string(), volume_id: z.string() });

const settable = {
  volumeId: uuid,
  device: z
    .string()
    .regex(/^(\/dev\/)?(vd|sd|hd|xvd)[a-z]{1,3}$/, { error: 'is not a device like /dev/vdb' })
    .nullish(),
  tag: z
    .string()
    .regex(/^[^,/]{1,60}$/, { error: 'is not a tag' })
    .optional(),
  delete_on_termination: flag.optional(),
} as const;
const createBody = z.strictObject({ volumeAttachment: z.strictObject(settable) });
const updateBody = z.strictObject({
  volumeAttachment: z.strictObject({ ...settable, id: uuid.optional(), serverId: uuid.optional() }),
});
/** Nova's older versions exchange the volume for another one there, and do nothing else. */
const UPDATE_SINCE = 85;

const shown = z.strictObject({
  id: z.string().optional(),
  serverId: z.string(),
  volumeId: z.string(),
  device: z.string().optional(),
  tag: z.null().optional(),
  delete_on_termination: z.boolean().optional(),
  attachment_id: z.string().optional(),
  bdm_uuid: z.string().optional(),
});
const created = z.strictObject({
  id: z.string(),
  serverId: z.string(),
  volumeId: z.string(),
  device: z.string().nullable(),
  tag: z.null().optional(),
  delete_on_termination: z.boolean().optional(),
});

export const volumeAttachmentRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/servers/{server_id}/os-volume_attachments',
    summary: "List a server's volumes",
    params: serverParams,
    query: anyQuery,
    queryNames: ['limit', 'offset'],
    replies: { 200: z.strictObject({ volumeAttachments: z.array(shown) }) },
    handle: (context, { params, query }) => listAttached(context, params.server_id, query),
  }),
  route({
    method: 'POST',
    path: '/servers/{server_id}/os-volume_attachments',
    summary: 'Attach a volume to a server',
    params: serverParams,
    query: anyQuery,
    body: createBody,
    replies: { 200: z.strictObject({ volumeAttachment: created }) },
    handle: (context, { params, body }) => attach(context, params.server_id, body.volumeAttachment),
  }),
  route({
    method: 'GET',
    path: '/servers/{server_id}/os-volume_attachments/{volume_id}',
    summary: "Show one of a server's volumes",
    params: volumeParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ volumeAttachment: shown }) },
    handle: (context, { params }) => showAttached(context, params.server_id, params.volume_id),
  }),
  route({
    method: 'PUT',
    path: '/servers/{server_id}/os-volume_attachments/{volume_id}',
    summary: 'Say whether a volume goes with its server',
    since: UPDATE_SINCE,
    params: volumeParams,
    query: anyQuery,
    body: updateBody,
    replies: { 202: null },
    handle: (context, { params, body }) =>
      update(context, params.server_id, params.volume_id, body.volumeAttachment),
  }),
  route({
    method: 'DELETE',
    path: '/servers/{server_id}/os-volume_attachments/{volume_id}',
    summary: 'Detach a volume from a server',
    params: volumeParams,
    query: anyQuery,
    replies: { 202: null },
    handle: (context, { params }) => detach(context, params.server_id, params.volume_id),
  }),
];
