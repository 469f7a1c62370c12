import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';

const zone = z.strictObject({
  zoneName: z.string(),
  zoneState: z.strictObject({ available: z.boolean() }),
});

/** Cinder's "Availability zones (os-availability-zone)": a zone is available while a storage service in it is enabled. */
export const availabilityZoneRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-availability-zone',
    summary: 'List availability zones',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ availabilityZoneInfo: z.array(zone) }) },
    handle: async ({ app }) => {
      const rows = await app.db
        .selectFrom('services')
        .select(['availability_zone', 'disabled'])
        .where('binary', '=', 'blockyard-storage')
        .execute();
      const zones = new Map<string, boolean>([[app.defaultAvailabilityZone, false]]);
      for (const row of rows) {
        const enabled = row.disabled === 0;
        zones.set(row.availability_zone, enabled || zones.get(row.availability_zone) === true);
      }
      const list = [...zones].map(([zoneName, available]) => ({ zoneName, zoneState: { available } }));
      return { status: 200, body: { availabilityZoneInfo: list } };
    },
  }),
];
