/** Cinder's "Back-end storage pools (scheduler-stats)". */
import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { anyQuery, isoTime, isTrue, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { VERSION } from '#queues/system.ts';
import type { PoolsTable } from '#schema/tables.ts';
import { findType } from '../types/rows.ts';

const pool = z.strictObject({ name: z.string(), capabilities: z.looseObject({}).optional() });

export const poolRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/scheduler-stats/get_pools',
    summary: 'List storage pools',
    params: noParams,
    query: anyQuery,
    queryNames: ['detail', 'name', 'volume_type'],
    replies: { 200: z.strictObject({ pools: z.array(pool) }) },
    handle: async (context, { query }) => {
      const detail = isTrue(query['detail']);
      const { name, volume_type: type } = readFilters(context, query);
      const backend = await backendOf(context, type);
      const rows = await context.app.db.selectFrom('pools').selectAll().orderBy('name').execute();
      const pools = rows
        .filter((row) => name === undefined || row.name === name)
        .filter((row) => backend === undefined || row.backend_name === backend)
        .map((row) => ({ name: row.name, ...(detail && { capabilities: capabilities(row) }) }));
      return { status: 200, body: { pools } };
    },
  }),
];

/** Microversions from which pools can be filtered by name; by type; and from which an unknown filter is an error. */
const NAME_SINCE = 28;
const STRICT_SINCE = 31;
const TYPE_SINCE = 35;

function readFilters(
  { microversion }: RequestContext,
  query: Readonly<Record<string, string>>,
): { readonly name?: string | undefined; readonly volume_type?: string | undefined } {
  const { detail: _, name, volume_type, ...others } = query;
  if (microversion < NAME_SINCE) return {};
  const unknown = Object.keys(others);
  if (unknown.length > 0 && microversion >= STRICT_SINCE) {
    throw badRequest(
      `Invalid filters ${unknown.join(', ').slice(0, 200).toWellFormed()} are found in query options.`,
    );
  }
  return { name, ...(microversion >= TYPE_SINCE && { volume_type }) };
}

/** The `volume_backend_name` that a type asks for, when the list is to hold only what fits it. */
async function backendOf(context: RequestContext, typeId: string | undefined): Promise<string | undefined> {
  if (typeId === undefined) return undefined;
  const specs = JSON.parse((await findType(context, typeId)).extra_specs) as Record<string, string>;
  return specs['volume_backend_name'];
}

/** In Cinder's words; the agent's own come first, so that they can't stand in for ours. */
function capabilities(row: Selectable<PoolsTable>) {
  return {
    ...(JSON.parse(row.capabilities) as Record<string, unknown>),
    volume_backend_name: row.backend_name,
    pool_name: row.backend_name,
    vendor_name: 'Blockyard',
    storage_protocol: 'iSCSI',
    QoS_support: true,
    total_capacity_gb: row.total_gib,
    free_capacity_gb: row.free_gib,
    allocated_capacity_gb: row.allocated_gib,
    provisioned_capacity_gb: row.allocated_gib,
    total_volumes: row.volume_count,
    reserved_percentage: row.reserved_percentage,
    max_over_subscription_ratio: row.max_over_subscription_ratio,
    thin_provisioning_support: row.thin === 1,
    thick_provisioning_support: row.thin === 0,
    availability_zone: row.availability_zone,
    driver_version: VERSION,
    backend_state: 'up',
    replication_enabled: false,
    multiattach: true,
    timestamp: isoTime(row.reported_at),
  };
}
