import { anyQuery, idParams, noParams, strictFlag } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { forceDetach } from '../attachments/force-detach.ts';
import { completeExtend, extendVolume, forceDelete } from './actions.ts';
import { createVolume } from './create.ts';
import { dataRoutes } from './data-routes.ts';
import { deleteVolume } from './delete.ts';
import { encryptionMetadataRoutes } from './encryption-metadata.ts';
import { VOLUME_LIST_QUERY } from './filters.ts';
import { imageMetadataRoutes } from './image-metadata.ts';
import { legacyRoutes } from './legacy/routes.ts';
import { listVolumes, listVolumesDetail, summariseVolumes } from './list.ts';
import { metadataRoutes } from './metadata.ts';
import { readonlyRoute } from './readonly.ts';
import { resetStatus } from './reset-status.ts';
import * as schema from './schema.ts';
import { showVolume } from './show.ts';
import { updateVolume } from './update.ts';
import { uploadImageRoute } from './upload-image.ts';

/** From here on a volume can be deleted by force with a query. */
const FORCE_SINCE = 23;

export const volumeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/volumes',
    summary: 'List volumes',
    params: noParams,
    query: anyQuery,
    ...VOLUME_LIST_QUERY,
    replies: { 200: schema.volumesReply },
    handle: (context, { query }) => listVolumes(context, query),
  }),
  route({
    method: 'POST',
    path: '/volumes',
    summary: 'Create a volume',
    params: noParams,
    query: anyQuery,
    body: schema.createBody,
    replies: { 202: schema.volumeReply },
    handle: (context, { body }) => createVolume(context, body),
  }),
  route({
    method: 'GET',
    path: '/volumes/detail',
    summary: 'List volumes with details',
    params: noParams,
    query: anyQuery,
    ...VOLUME_LIST_QUERY,
    replies: { 200: schema.volumesDetailReply },
    handle: (context, { query }) => listVolumesDetail(context, query),
  }),
  route({
    method: 'GET',
    path: '/volumes/summary',
    summary: 'Sum up volumes',
    since: 12,
    params: noParams,
    query: anyQuery,
    adminQueryNames: ['all_tenants'],
    replies: { 200: schema.summaryReply },
    handle: (context, { query }) => summariseVolumes(context, query),
  }),
  route({
    method: 'GET',
    path: '/volumes/{id}',
    summary: 'Show a volume',
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.volumeReply },
    handle: (context, { params }) => showVolume(context, params.id),
  }),
  route({
    method: 'PUT',
    path: '/volumes/{id}',
    summary: 'Update a volume',
    params: idParams,
    query: anyQuery,
    body: schema.updateBody,
    replies: { 200: schema.volumeReply },
    handle: (context, { params, body }) => updateVolume(context, params.id, body.volume),
  }),
  route({
    method: 'DELETE',
    path: '/volumes/{id}',
    summary: 'Delete a volume',
    params: idParams,
    query: anyQuery,
    replies: { 202: null },
    queryNames: ['cascade', 'force'],
    handle(context, { params, query }) {
      const cascade = strictFlag(query, 'cascade');
      const force = context.microversion >= FORCE_SINCE && strictFlag(query, 'force');
      return force ? forceDelete(context, params.id) : deleteVolume(context, params.id, { cascade });
    },
  }),
  route({
    method: 'POST',
    path: '/volumes/{id}/action',
    action: 'os-extend',
    summary: 'Extend a volume',
    params: idParams,
    query: anyQuery,
    body: schema.extendBody,
    replies: { 202: null },
    handle: (context, { params, body }) => extendVolume(context, params.id, body['os-extend'].new_size),
  }),
  route({
    method: 'POST',
    path: '/volumes/{id}/action',
    action: 'os-reset_status',
    summary: "Reset a volume's status",
    params: idParams,
    query: anyQuery,
    body: schema.resetStatusBody,
    replies: { 202: null },
    handle: (context, { params, body }) => resetStatus(context, params.id, body['os-reset_status']),
  }),
  route({
    method: 'POST',
    path: '/volumes/{id}/action',
    action: 'os-force_delete',
    summary: 'Force a volume to be deleted',
    params: idParams,
    query: anyQuery,
    body: schema.forceDeleteBody,
    replies: { 202: null },
    handle: (context, { params }) => forceDelete(context, params.id),
  }),
  route({
    method: 'POST',
    path: '/volumes/{id}/action',
    action: 'os-force_detach',
    summary: 'Take a volume from a host that is down',
    params: idParams,
    query: anyQuery,
    body: schema.forceDetachBody,
    replies: { 202: null },
    handle: (context, { params, body }) => forceDetach(context, params.id, body['os-force_detach'] ?? {}),
  }),
  route({
    method: 'POST',
    path: '/volumes/{id}/action',
    action: 'os-extend_volume_completion',
    summary: "Complete a volume's extension",
    params: idParams,
    query: anyQuery,
    body: schema.extendCompletionBody,
    replies: { 202: null },
    handle: (context, { params }) => completeExtend(context, params.id),
  }),
  readonlyRoute,
  ...legacyRoutes,
  uploadImageRoute,
  ...dataRoutes,
  ...imageMetadataRoutes,
  ...metadataRoutes,
  ...encryptionMetadataRoutes,
];
