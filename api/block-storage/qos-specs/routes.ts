import { z } from 'zod';
import { anyQuery, idParams, noParams, strictFlag } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { associate, disassociate, disassociateAll, listAssociations } from './associations.ts';
import { createQos, deleteQos, listQos, QOS_LIST_QUERY, showQos, unsetKeys, updateQos } from './handlers.ts';
import * as schema from './schema.ts';

const typeQuery = z.looseObject({ vol_type_id: z.string().optional() });
const admin = { params: idParams, query: anyQuery } as const;

/** Cinder's own habit: associations change by GET. */
export const qosRoutes: readonly Route[] = [
  route({
    ...admin,
    method: 'GET',
    path: '/qos-specs',
    summary: 'List QoS specs',
    params: noParams,
    queryNames: QOS_LIST_QUERY,
    replies: { 200: schema.qosListReply },
    handle: (context, { query }) => listQos(context, query),
  }),
  route({
    ...admin,
    method: 'POST',
    path: '/qos-specs',
    summary: 'Create a QoS spec',
    params: noParams,
    body: schema.createBody,
    replies: { 200: schema.qosReply },
    handle: (context, { body }) => createQos(context, body.qos_specs),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/qos-specs/{id}',
    summary: 'Show a QoS spec',
    replies: { 200: schema.qosReply },
    handle: (context, { params }) => showQos(context, params.id),
  }),
  route({
    ...admin,
    method: 'PUT',
    path: '/qos-specs/{id}',
    summary: 'Set keys in a QoS spec',
    body: schema.updateBody,
    replies: { 200: schema.qosUpdateReply },
    handle: (context, { params, body }) => updateQos(context, params.id, body.qos_specs),
  }),
  route({
    ...admin,
    method: 'PUT',
    path: '/qos-specs/{id}/delete_keys',
    summary: 'Unset keys in a QoS spec',
    body: schema.unsetBody,
    replies: { 202: null },
    handle: (context, { params, body }) => unsetKeys(context, params.id, body.keys),
  }),
  route({
    ...admin,
    method: 'DELETE',
    path: '/qos-specs/{id}',
    summary: 'Delete a QoS spec',
    replies: { 202: null },
    queryNames: ['force'],
    handle: (context, { params, query }) => deleteQos(context, params.id, strictFlag(query, 'force')),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/qos-specs/{id}/associations',
    summary: 'List the types that have a QoS spec',
    replies: { 200: schema.associationsReply },
    handle: (context, { params }) => listAssociations(context, params.id),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/qos-specs/{id}/associate',
    summary: 'Give a type a QoS spec',
    query: typeQuery,
    replies: { 202: null },
    handle: (context, { params, query }) => associate(context, params.id, query.vol_type_id),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/qos-specs/{id}/disassociate',
    summary: 'Take a QoS spec from a type',
    query: typeQuery,
    replies: { 202: null },
    handle: (context, { params, query }) => disassociate(context, params.id, query.vol_type_id),
  }),
  route({
    ...admin,
    method: 'GET',
    path: '/qos-specs/{id}/disassociate_all',
    summary: 'Take a QoS spec from all types',
    replies: { 202: null },
    handle: (context, { params }) => disassociateAll(context, params.id),
  }),
];
