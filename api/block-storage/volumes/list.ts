import { CompiledQuery } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { strictFlag } from '#api/http/fields.ts';
import { after, type Condition, joined, onPage } from '#api/http/keyset.ts';
import {
  COUNT_SINCE,
  nextLinks,
  type Page,
  readPage,
  readSort,
  type SortKey,
  sameForAll,
} from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { ATTACH_STATUS, readFilters } from './filters.ts';
import { attachmentsOf, findVolume, SELECT_VOLUMES, type VolumeRow } from './rows.ts';
import { extendedView, summaryView } from './view.ts';

/** What a list can be sorted by. */
const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  display_description: 'description',
  status: 'status',
  size: 'size_gib',
  availability_zone: 'availability_zone',
  bootable: 'bootable',
  created_at: 'created_at',
  updated_at: 'updated_at',
  project_id: 'project_id',
  user_id: 'user_id',
  host: 'pool',
  volume_type_id: 'volume_type_id',
  multiattach: 'multiattach',
  migration_status: 'migration_status',
  source_volid: 'source_volume_id',
  snapshot_id: 'snapshot_id',
  group_id: 'group_id',
  encryption_key_id: 'encryption_key_id',
  attach_status: 'attach_status',
  ...sameForAll('launched_at', 'scheduled_at', 'terminated_at', 'deleted_at', 'deleted', 'use_quota'),
  ...sameForAll('consistencygroup_id', 'replication_status', 'cluster_name', 'previous_status', '_name_id'),
  ...sameForAll('provider_id', 'provider_location', 'service_uuid', 'shared_targets', 'ec2_id'),
  // Other tables there, by which Cinder sorts nothing.
  ...sameForAll('volume_type', 'volume_metadata'),
} as const satisfies Record<string, keyof VolumeRow | 'attach_status'>;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];
type Query = Readonly<Record<string, string>>;

export async function listVolumes(context: RequestContext, query: Query): Promise<Reply> {
  const page = readPage(query);
  const { rows, count } = await readVolumes(context, query, page);
  const volumes = rows.map((row) => summaryView(context, row));
  return { status: 200, body: { volumes, ...ending(context, 'volumes', page, rows, count) } };
}

export function listVolumesDetail(context: RequestContext, query: Query): Promise<Reply> {
  return context.app.lists(() => readDetail(context, query));
}

/** As text, so that nothing but text is kept while it is sent. */
async function readDetail(context: RequestContext, query: Query): Promise<Reply> {
  const page = readPage(query);
  const { rows, count } = await readVolumes(context, query, page);
  const attachments = await attachmentsOf(context.app.db, rows);
  const volumes = rows.map((row) => extendedView(context, row, attachments.get(row.id) ?? []));
  const body = { volumes, ...ending(context, 'volumes/detail', page, rows, count) };
  return { status: 200, json: JSON.stringify(body) };
}

function ending(
  context: RequestContext,
  collection: string,
  page: Page,
  rows: readonly VolumeRow[],
  count: number | undefined,
) {
  // `||` as in Cinder: a total of nought counts as none given.
  const links = nextLinks(context, collection, page, rows.at(-1)?.id, count || rows.length);
  return { ...(links.length > 0 && { volumes_links: links }), ...(count !== undefined && { count }) };
}

async function readVolumes(context: RequestContext, query: Query, page: Page) {
  const { db } = context.app;
  const sort = readSort<Column>(query, SORT_COLUMNS, { attach_status: ATTACH_STATUS });
  const conditions = [...scope(context, query), ...readFilters(context, query)];
  const wantsCount = context.microversion >= COUNT_SINCE && strictFlag(query, 'with_count');
  const count = wantsCount ? await countVolumes(context, conditions) : undefined;
  if (page.marker !== undefined)
    conditions.push(after('v', await readMarker(context, page.marker, sort), sort));
  const { sql, values } = onPage('volumes', 'v', conditions, sort, page);
  const { rows } = await db.executeQuery<VolumeRow>(
    CompiledQuery.raw(`${SELECT_VOLUMES} ${sql}`, [...values]),
  );
  return { rows, count };
}

/** An administrator may ask for every project's. */
function scope(context: RequestContext, query: Query): Condition[] {
  const all = context.caller.isAdmin && strictFlag(query, 'all_tenants');
  return all ? [] : [{ sql: 'v.project_id = ?', values: [context.caller.projectId] }];
}

async function countVolumes(context: RequestContext, conditions: readonly Condition[]): Promise<number> {
  const { where, values } = joined(conditions);
  const { rows } = await context.app.db.executeQuery<{ n: number }>(
    CompiledQuery.raw(`SELECT COUNT(*) AS n FROM volumes v ${where}`, values),
  );
  return rows[0]?.n ?? 0;
}

async function readMarker(context: RequestContext, id: string, sort: readonly SortKey<Column>[]) {
  const row = await findMarker(context, id);
  if (!sort.some(({ column }) => column === 'attach_status')) return { ...row, attach_status: null };
  const { rows } = await context.app.db.executeQuery<{ attach_status: string }>(
    CompiledQuery.raw(`SELECT ${ATTACH_STATUS} AS attach_status FROM volumes v WHERE v.id = ?`, [row.id]),
  );
  return { ...row, attach_status: rows[0]?.attach_status ?? null };
}

async function findMarker(context: RequestContext, marker: string): Promise<VolumeRow> {
  if (!context.caller.isAdmin) return findVolume(context, marker);
  // An administrator's list may span projects, and so may its marker.
  const row = /^[0-9a-f-]{36}$/i.test(marker)
    ? await context.app.volumes.load(marker.toLowerCase())
    : undefined;
  if (row === undefined) throw notFound('Volume', marker.slice(0, 255));
  return row;
}

export async function summariseVolumes(context: RequestContext, query: Query): Promise<Reply> {
  // Cinder's sums are of all that there are, whatever the query filters by.
  const { where, values } = joined(scope(context, query));
  const { rows } = await context.app.db.executeQuery<{ n: number; size: string | null }>(
    CompiledQuery.raw(`SELECT COUNT(*) AS n, SUM(v.size_gib) AS size FROM volumes v ${where}`, values),
  );
  const summary: Record<string, unknown> = {
    total_count: rows[0]?.n ?? 0,
    total_size: Number(rows[0]?.size ?? 0),
  };
  if (context.microversion >= 36) summary['metadata'] = await distinctMetadata(context, where, values);
  return { status: 200, body: { 'volume-summary': summary } };
}

async function distinctMetadata(
  context: RequestContext,
  where: string,
  values: readonly (string | number)[],
): Promise<Record<string, string[]>> {
  const { rows } = await context.app.db.executeQuery<{ metadata: string }>(
    CompiledQuery.raw(`SELECT DISTINCT v.metadata FROM volumes v ${where}`, [...values]),
  );
  const found = new Map<string, Set<string>>();
  for (const row of rows) {
    for (const [key, value] of Object.entries(JSON.parse(row.metadata) as Record<string, string>)) {
      found.set(key, (found.get(key) ?? new Set()).add(value));
    }
  }
  return Object.fromEntries([...found].map(([key, set]) => [key, [...set]]));
}
