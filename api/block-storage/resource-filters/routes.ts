/** Cinder's "Resource filters (resource_filters)": what users may filter lists by. */
import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';

/** Cinder's `resource_filters.json` as it comes. */
const FILTERS: Readonly<Record<string, readonly string[]>> = {
  volume: [
    'name',
    'status',
    'metadata',
    'bootable',
    'migration_status',
    'availability_zone',
    'group_id',
    'size',
    'created_at',
    'updated_at',
    'consumes_quota',
  ],
  backup: ['name', 'status', 'volume_id'],
  snapshot: ['name', 'status', 'volume_id', 'metadata', 'availability_zone', 'consumes_quota'],
  group: ['name'],
  group_snapshot: ['name', 'status', 'group_id'],
  attachment: ['volume_id', 'status', 'instance_id', 'attach_status'],
  message: ['resource_uuid', 'resource_type', 'event_id', 'request_id', 'message_level'],
  pool: ['name', 'volume_type'],
  volume_type: ['is_public', 'extra_specs'],
};

const filters = z.array(z.strictObject({ resource: z.string(), filters: z.array(z.string()) }));

export const resourceFilterRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/resource_filters',
    summary: 'List what lists can be filtered by',
    since: 33,
    params: noParams,
    query: anyQuery,
    queryNames: ['resource'],
    replies: { 200: z.strictObject({ resource_filters: filters }) },
    handle: (_, { query }) => {
      const asked = query['resource'];
      const entries = Object.entries(FILTERS).filter(([name]) => (asked ?? '') === '' || name === asked);
      return {
        status: 200,
        body: { resource_filters: entries.map(([resource, names]) => ({ resource, filters: [...names] })) },
      };
    },
  }),
];
