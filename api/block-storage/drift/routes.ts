/** Our own addition: where MySQL and the hosts do not agree, why, and what mends it. */
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { listDrift } from './list.ts';
import { repairDrift } from './repair.ts';
import { driftReply, repairedReply, repairRequest } from './schema.ts';

export const driftRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/drift',
    summary: 'Compare MySQL with what every host has',
    params: noParams,
    query: anyQuery,
    queryNames: ['host'],
    replies: { 200: driftReply },
    handle: (context, { query }) => listDrift(context, query['host']),
  }),
  route({
    method: 'POST',
    path: '/drift/repair',
    summary: 'Repair one difference, and look again',
    params: noParams,
    query: anyQuery,
    body: repairRequest,
    replies: { 200: repairedReply },
    handle: (context, { body }) => repairDrift(context, body),
  }),
];
