import { CompiledQuery } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { isTrue, strictFlag } from '#api/http/fields.ts';
import { after, type Condition, joined, onPage } from '#api/http/keyset.ts';
import {
  consumesQuota,
  contains,
  equals,
  equalsAscii,
  equalsNumber,
  type FilterTable,
  holdsPairs,
  isBelow,
  listQuery,
  readListFilters,
  usesQuota,
} from '#api/http/list-filters.ts';
import { COUNT_SINCE, nextLinks, readPage, readSort, sameForAll } from '#api/http/pagination.ts';
import { findSnapshot, PROGRESS, progressOf, type SnapshotRow } from './rows.ts';

const SORT_COLUMNS = {
  id: 'id',
  display_name: 'name',
  display_description: 'description',
  status: 'status',
  volume_id: 'volume_id',
  volume_size: 'size_gib',
  progress: 'progress',
  project_id: 'project_id',
  user_id: 'user_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
  group_snapshot_id: 'group_snapshot_id',
  ...sameForAll('scheduled_at', 'deleted_at', 'deleted', 'use_quota', 'cgsnapshot_id'),
  ...sameForAll('provider_id', 'provider_location', 'volume'),
} as const satisfies Record<string, keyof SnapshotRow>;

/** From here on `name` is a sort key. */
const NAME_SINCE = 30;

const ALL: Condition = { sql: 'TRUE', values: [] };

/** From here on filters that are not known are errors. */
const STRICT_SINCE = 31;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];
type Query = Readonly<Record<string, string>>;

const FILTERS: FilterTable = {
  anybody: {
    name: equals('s.name'),
    status: equalsAscii('s.status'),
    volume_id: equalsAscii('s.volume_id'),
    metadata: holdsPairs('s.metadata'),
    availability_zone: (value) =>
      value === ''
        ? ALL
        : {
            sql: 'EXISTS (SELECT 1 FROM volumes v WHERE v.id = s.volume_id AND v.availability_zone = ?)',
            values: [value],
          },
    // Before volumes' lists can be asked for it, others than administrators are not refused it here.
    consumes_quota: (value, context) =>
      context.microversion < STRICT_SINCE && !context.caller.isAdmin ? ALL : consumesQuota(value, context),
  },
  admin: {
    id: equalsAscii('s.id'),
    host: (value, context) => {
      const { sql, values } = isBelow('v.pool')(value, context);
      return { sql: `EXISTS (SELECT 1 FROM volumes v WHERE v.id = s.volume_id AND ${sql})`, values };
    },
    project_id: equals('s.project_id'),
    tenant_id: equals('s.project_id'),
    user_id: equals('s.user_id'),
    volume_size: equalsNumber('s.size_gib'),
    use_quota: usesQuota,
    description: equals('s.description'),
    display_name: equals('s.name'),
    display_description: equals('s.description'),
  },
  since: { metadata: 22, availability_zone: 31, use_quota: 31 },
  like: {
    'name~': contains('s.name'),
    'description~': contains('s.description'),
  },
  counted: true,
};
/** What the lists take in a query. */
export const SNAPSHOT_LIST_QUERY = listQuery(FILTERS, 'all_tenants');

/** @returns the page's rows, and what stands beside them in the reply. */
export async function readSnapshots(context: RequestContext, query: Query, collection: string) {
  const { db } = context.app;
  const page = readPage(query);
  const columns: Record<string, Column> =
    context.microversion >= NAME_SINCE ? { ...SORT_COLUMNS, name: 'name' } : SORT_COLUMNS;
  const sort = readSort<Column>(query, columns, { progress: PROGRESS });
  const conditions = [...scope(context, query), ...readListFilters(context, query, FILTERS)];
  const count =
    context.microversion >= COUNT_SINCE && strictFlag(query, 'with_count')
      ? await countSnapshots(context, conditions)
      : undefined;
  if (page.marker !== undefined) {
    const marker = await findSnapshot(context, page.marker);
    conditions.push(after('s', { ...marker, progress: progressOf(marker) }, sort));
  }
  const { sql, values } = onPage('snapshots', 's', conditions, sort, page);
  const { rows } = await db.executeQuery<SnapshotRow>(
    CompiledQuery.raw(`SELECT s.* FROM snapshots s ${sql}`, [...values]),
  );
  const links = nextLinks(context, collection, page, rows.at(-1)?.id, count || rows.length);
  return {
    rows,
    beside: { ...(links.length > 0 && { snapshots_links: links }), ...(count !== undefined && { count }) },
  };
}

function scope({ caller }: RequestContext, query: Query): Condition[] {
  const all = caller.isAdmin && isTrue(query['all_tenants']);
  return all ? [] : [{ sql: 's.project_id = ?', values: [caller.projectId] }];
}

async function countSnapshots({ app }: RequestContext, conditions: readonly Condition[]): Promise<number> {
  const { where, values } = joined(conditions);
  const { rows } = await app.db.executeQuery<{ n: number }>(
    CompiledQuery.raw(`SELECT COUNT(*) AS n FROM snapshots s ${where}`, values),
  );
  return rows[0]?.n ?? 0;
}
