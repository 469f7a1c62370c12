import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { accessRoutes } from './access.ts';
import { defaultTypeRoutes } from './default-types-routes.ts';
import { encryptionRoutes } from './encryption-routes.ts';
import { extraSpecRoutes } from './extra-specs.ts';
import { createType, deleteType, showType, updateType } from './handlers.ts';
import { listTypes, TYPE_LIST_QUERY } from './list.ts';
import * as schema from './schema.ts';

export const typeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/types',
    summary: 'List volume types',
    params: noParams,
    query: anyQuery,
    ...TYPE_LIST_QUERY,
    replies: { 200: schema.typesReply },
    handle: (context, { query }) => listTypes(context, query),
  }),
  route({
    method: 'POST',
    path: '/types',
    summary: 'Create a volume type',
    params: noParams,
    query: anyQuery,
    body: schema.createBody,
    replies: { 200: schema.createdReply },
    handle: (context, { body }) => createType(context, body.volume_type),
  }),
  route({
    method: 'GET',
    path: '/types/{id}',
    summary: 'Show a volume type',
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.typeReply },
    handle: (context, { params }) => showType(context, params.id),
  }),
  route({
    method: 'PUT',
    path: '/types/{id}',
    summary: 'Update a volume type',
    params: idParams,
    query: anyQuery,
    body: schema.updateBody,
    replies: { 200: schema.updatedReply },
    handle: (context, { params, body }) => updateType(context, params.id, body.volume_type),
  }),
  route({
    method: 'DELETE',
    path: '/types/{id}',
    summary: 'Delete a volume type',
    params: idParams,
    query: anyQuery,
    replies: { 202: null },
    handle: (context, { params }) => deleteType(context, params.id),
  }),
  ...extraSpecRoutes,
  ...accessRoutes,
  ...encryptionRoutes,
  ...defaultTypeRoutes,
];
