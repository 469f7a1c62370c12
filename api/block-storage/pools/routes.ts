/** Cinder's "Back-end storage pools (scheduler-stats)". */
import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, isoTime, isTrue, noParams, strictFlag } from '#api/http/fields.ts';
import { invalidFilters } from '#api/http/list-filters.ts';
import { type Route, route } from '#api/http/route.ts';
import { capabilitiesOf, describe } from '#queues/placement/capabilities.ts';
import { readSpecs, unmetSpec } from '#queues/placement/extra-specs.ts';
import type { PoolsTable } from '#schema/tables.ts';
import { namedTypeMissing, readTypeByNameOrId } from '../types/rows.ts';

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
      const detail = strictFlag(query, 'detail');
      const { name, volume_type: type, ...others } = readFilters(context, query);
      const specs = await specsOf(context, type);
      const rows = await context.app.db.selectFrom('pools').selectAll().orderBy('name').execute();
      const pools = rows
        .filter((row) => name === undefined || row.name === name)
        .filter((row) => unmetSpec(describe(row), specs) === null)
        .map((row) => ({ name: row.name, capabilities: capabilities(row) }))
        .filter((pool) =>
          Object.entries(others).every(([key, value]) => reports(pool.capabilities, key, value)),
        )
        .map((pool) => (detail ? pool : { name: pool.name }));
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
): Readonly<Record<string, string>> {
  const { detail: _, name, volume_type, ...others } = query;
  if (microversion < NAME_SINCE) return {};
  const unknown = Object.keys(others);
  if (unknown.length > 0 && microversion >= STRICT_SINCE) throw invalidFilters(unknown);
  return {
    ...others,
    ...(name !== undefined && { name }),
    ...(volume_type !== undefined && microversion >= TYPE_SINCE && { volume_type }),
  };
}

/** What a type asks of its pools, when the list is to hold only what would be taken for it. */
async function specsOf(
  { app }: RequestContext,
  wanted: string | undefined,
): Promise<Readonly<Record<string, string>>> {
  if (wanted === undefined) return {};
  const type = await readTypeByNameOrId(app.db, wanted);
  if (type === undefined) throw namedTypeMissing(wanted);
  return readSpecs(type.extra_specs);
}

/** Before 3.31 any capability may be asked for, by its text; flags by any word for them. */
function reports(has: Readonly<Record<string, unknown>>, key: string, value: string): boolean {
  const actual = has[key];
  return typeof actual === 'boolean' ? actual === isTrue(value) : String(actual) === value;
}

function capabilities(row: Selectable<PoolsTable>) {
  return { ...capabilitiesOf(describe(row)), timestamp: isoTime(row.reported_at) };
}
