import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import {
  createGroupType,
  deleteGroupType,
  listGroupTypes,
  showGroupType,
  updateGroupType,
} from './handlers.ts';
import * as schema from './schema.ts';
import { groupSpecRoutes } from './specs.ts';

const common = { since: 11, query: anyQuery } as const;

export const groupTypeRoutes: readonly Route[] = [
  route({
    ...common,
    method: 'GET',
    path: '/group_types',
    summary: 'List group types',
    params: noParams,
    queryNames: LIST_QUERY,
    adminQueryNames: ['is_public'],
    replies: { 200: schema.groupTypesReply },
    handle: (context, { query }) => listGroupTypes(context, query),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/group_types',
    summary: 'Create a group type',
    params: noParams,
    body: schema.createBody,
    replies: { 202: schema.groupTypeReply },
    handle: (context, { body }) => createGroupType(context, body.group_type),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/group_types/{id}',
    summary: 'Show a group type',
    params: idParams,
    replies: { 200: schema.groupTypeReply },
    handle: (context, { params }) => showGroupType(context, params.id),
  }),
  route({
    ...common,
    method: 'PUT',
    path: '/group_types/{id}',
    summary: 'Update a group type',
    params: idParams,
    body: schema.updateBody,
    replies: { 200: schema.groupTypeReply },
    handle: (context, { params, body }) => updateGroupType(context, params.id, body.group_type),
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/group_types/{id}',
    summary: 'Delete a group type',
    params: idParams,
    replies: { 202: null },
    handle: (context, { params }) => deleteGroupType(context, params.id),
  }),
  ...groupSpecRoutes,
];
