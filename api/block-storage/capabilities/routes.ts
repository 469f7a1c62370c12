/** Cinder's "Capabilities for storage back ends (capabilities)". */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { anyQuery } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { VERSION } from '#queues/system.ts';
import { servicesOn } from '../services/find.ts';

const property = z.strictObject({ title: z.string(), description: z.string(), type: z.string() });
const reply = z.strictObject({
  namespace: z.string(),
  vendor_name: z.string(),
  volume_backend_name: z.string(),
  pool_name: z.string().nullable(),
  driver_version: z.string(),
  storage_protocol: z.string(),
  display_name: z.string().nullable(),
  description: z.string().nullable(),
  visibility: z.string().nullable(),
  replication_targets: z.array(z.unknown()).max(0),
  properties: z.record(z.string(), property),
});

/** What types' extra specs may ask of any back end: Cinder's own four. */
const PROPERTIES: Readonly<Record<string, z.infer<typeof property>>> = {
  thin_provisioning: { title: 'Thin Provisioning', description: 'Sets thin provisioning.', type: 'boolean' },
  compression: { title: 'Compression', description: 'Enables compression.', type: 'boolean' },
  qos: { title: 'QoS', description: 'Enables QoS.', type: 'boolean' },
  replication_enabled: { title: 'Replication', description: 'Enables replication.', type: 'boolean' },
};

export const capabilityRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/capabilities/{host}',
    summary: "Show a storage back end's capabilities",
    params: z.strictObject({ host: z.string() }),
    query: anyQuery,
    replies: { 200: reply },
    handle: (context, { params }) => show(context, params.host),
  }),
];

async function show({ app }: RequestContext, host: string): Promise<Reply> {
  const [service] = await servicesOn(app, host, 'blockyard-storage');
  const pool =
    service &&
    (await app.db
      .selectFrom('pools')
      .select(['backend_name', 'capabilities'])
      .where('service_host', '=', service.host)
      .executeTakeFirst());
  if (service === undefined || pool === undefined)
    throw new ApiError(404, `Can't find service: ${host.slice(0, 255)}`);
  const { storage_protocol: protocol } = JSON.parse(pool.capabilities) as Record<string, unknown>;
  return {
    status: 200,
    body: {
      namespace: `OS::Storage::Capabilities::${service.host}`,
      vendor_name: 'Blockyard',
      volume_backend_name: pool.backend_name,
      pool_name: pool.backend_name,
      driver_version: VERSION,
      storage_protocol: typeof protocol === 'string' ? protocol : 'iSCSI',
      display_name: null,
      description: null,
      visibility: null,
      replication_targets: [],
      properties: PROPERTIES,
    },
  };
}
