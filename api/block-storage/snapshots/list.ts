import { CompiledQuery } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { isTrue } from '#api/http/fields.ts';
import { after, type Condition, isAscii, joined, NOTHING, ordered } from '#api/http/keyset.ts';
import { nextLinks, PAGING_KEYS, readPage, readSort } from '#api/http/pagination.ts';
import { findSnapshot, type SnapshotRow } from './rows.ts';

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  description: 'description',
  display_description: 'description',
  status: 'status',
  volume_id: 'volume_id',
  size: 'size_gib',
  volume_size: 'size_gib',
  project_id: 'project_id',
  user_id: 'user_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof SnapshotRow>;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];
type Query = Readonly<Record<string, string>>;

/** Filters → columns; the last two are for administrators. */
const FILTERS = {
  id: 's.id',
  name: 's.name',
  status: 's.status',
  volume_id: 's.volume_id',
  user_id: 's.user_id',
  project_id: 's.project_id',
} as const;
const ASCII: ReadonlySet<string> = new Set([FILTERS.id, FILTERS.status, FILTERS.volume_id]);
export const FILTER_NAMES = ['id', 'name', 'status', 'volume_id'] as const;

/** From here on a filter that is not known is an error rather than ignored. */
const STRICT_SINCE = 31;
const COUNT_SINCE = 45;
/** @returns the page's rows, and what stands beside them in the reply. */
export async function readSnapshots(context: RequestContext, query: Query, collection: string) {
  const { db } = context.app;
  const page = readPage(query);
  const sort = readSort<Column>(query, SORT_COLUMNS);
  const conditions = [...scope(context, query), ...filters(context, query)];
  const count =
    context.microversion >= COUNT_SINCE && isTrue(query['with_count'])
      ? await countSnapshots(context, conditions)
      : undefined;
  if (page.marker !== undefined) {
    conditions.push(after('s', await findSnapshot(context, page.marker), sort));
  }
  const { where, values } = joined(conditions);
  const { rows } = await db.executeQuery<SnapshotRow>(
    CompiledQuery.raw(
      `SELECT s.* FROM snapshots s ${where} ORDER BY ${ordered('s', sort)} LIMIT ? OFFSET ?`,
      [...values, page.limit, page.offset],
    ),
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

function filters({ caller, microversion }: RequestContext, query: Query): Condition[] {
  const known: readonly string[] = caller.isAdmin ? Object.keys(FILTERS) : FILTER_NAMES;
  return Object.entries(query).flatMap(([key, value]) => {
    if (PAGING_KEYS.has(key)) return [];
    if (!known.includes(key)) {
      if (microversion < STRICT_SINCE || caller.isAdmin) return [];
      throw badRequest(`Invalid filters ${key.slice(0, 100).toWellFormed()} are found in query options.`);
    }
    const column = FILTERS[key as keyof typeof FILTERS];
    if (ASCII.has(column) && !isAscii(value)) return [NOTHING];
    return [{ sql: `${column} = ?`, values: [value] }];
  });
}

async function countSnapshots({ app }: RequestContext, conditions: readonly Condition[]): Promise<number> {
  const { where, values } = joined(conditions);
  const { rows } = await app.db.executeQuery<{ n: number }>(
    CompiledQuery.raw(`SELECT COUNT(*) AS n FROM snapshots s ${where}`, values),
  );
  return rows[0]?.n ?? 0;
}
