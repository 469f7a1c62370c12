/** Our own addition: where MySQL and the hosts do not agree, why, and what mends it. */
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { listDrift } from './list.ts';
import { driftReply } from './schema.ts';

export const driftRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/drift',
    summary: 'Compare MySQL with what every host has',
    role: 'admin',
    params: noParams,
    query: anyQuery,
    queryNames: ['host'],
    replies: { 200: driftReply },
    handle: (context, { query }) => listDrift(context, query['host']),
  }),
];
