/** Our own addition: what hosts that were down have yet to be rid of. */
import { z } from 'zod';
import { anyQuery, isoTime, noParams, time } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';

const eviction = z.strictObject({
  volume_id: z.string(),
  server_id: z.string(),
  host: z.string(),
  /** The operation that took the volume away. */
  operation_id: z.string(),
  created_at: time,
  /** What the host answered when it was last tried; null while it has not been back. */
  error: z.string().nullable(),
});

export const evictionRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/evictions',
    summary: 'List what hosts that were down have yet to be rid of',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ evictions: z.array(eviction) }) },
    handle: async ({ app }) => {
      const rows = await app.db
        .selectFrom('evictions')
        .select(['volume_id', 'server_id', 'host', 'operation_id', 'created_at', 'error'])
        .orderBy('created_at')
        .orderBy('id')
        .execute();
      const evictions = rows.map((row) => ({ ...row, created_at: isoTime(row.created_at) }));
      return { status: 200, body: { evictions } };
    },
  }),
];
