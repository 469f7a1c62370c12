import { CompiledQuery } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { isTrue, strictFlag } from '#api/http/fields.ts';
import { after, type Condition, joined, onPage } from '#api/http/keyset.ts';
import {
  contains,
  equals,
  equalsAscii,
  equalsNumber,
  type FilterTable,
  listQuery,
  readListFilters,
} from '#api/http/list-filters.ts';
import { COUNT_SINCE, nextLinks, readPage, readSort, sameForAll } from '#api/http/pagination.ts';
import { BACKUP_COLUMNS, type BackupRow, findBackup } from './rows.ts';

const SORT_COLUMNS = {
  id: 'id',
  display_name: 'name',
  status: 'status',
  volume_id: 'volume_id',
  size: 'size_gib',
  project_id: 'project_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
  data_timestamp: 'data_timestamp',
  display_description: 'description',
  user_id: 'user_id',
  availability_zone: 'availability_zone',
  container: 'container',
  host: 'host',
  parent_id: 'parent_id',
  snapshot_id: 'snapshot_id',
  object_count: 'object_count',
  fail_reason: 'fail_reason',
  restore_volume_id: 'restore_volume_id',
  ...sameForAll('service', 'temp_volume_id', 'temp_snapshot_id', 'deleted_at', 'deleted'),
} as const satisfies Record<string, keyof BackupRow>;
/** From here on lists are sorted by `name`, too. */
const SORT_NAME_SINCE = 37;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];
type Query = Readonly<Record<string, string>>;

const FILTERS: FilterTable = {
  anybody: {
    name: equals('b.name'),
    status: equalsAscii('b.status'),
    volume_id: equalsAscii('b.volume_id'),
  },
  admin: {
    id: equalsAscii('b.id'),
    project_id: equals('b.project_id'),
    user_id: equals('b.user_id'),
    display_name: equals('b.name'),
    display_description: equals('b.description'),
    snapshot_id: equalsAscii('b.snapshot_id'),
    parent_id: equalsAscii('b.parent_id'),
    availability_zone: equals('b.availability_zone'),
    container: equals('b.container'),
    host: equals('b.host'),
    fail_reason: equals('b.fail_reason'),
    restore_volume_id: equalsAscii('b.restore_volume_id'),
    encryption_key_id: equalsAscii('b.encryption_key_id'),
    size: equalsNumber('b.size_gib'),
    object_count: equalsNumber('b.object_count'),
  },
  like: { 'name~': contains('b.name') },
  counted: true,
};
/** What the lists take in a query. */
export const BACKUP_LIST_QUERY = listQuery(FILTERS, 'all_tenants');

/** @returns the page's rows, and what stands beside them in the reply. */
export async function readBackups(context: RequestContext, query: Query, collection: string) {
  const { app, microversion } = context;
  const page = readPage(query);
  const columns: Record<string, Column> =
    microversion >= SORT_NAME_SINCE ? { ...SORT_COLUMNS, name: 'name' } : SORT_COLUMNS;
  const sort = readSort<Column>(query, columns);
  const conditions = [...scope(context, query), ...readListFilters(context, query, FILTERS)];
  const count =
    microversion >= COUNT_SINCE && strictFlag(query, 'with_count')
      ? await countBackups(context, conditions)
      : undefined;
  if (page.marker !== undefined) conditions.push(after('b', await findBackup(context, page.marker), sort));
  const { sql, values } = onPage('backups', 'b', conditions, sort, page);
  const { rows } = await app.db.executeQuery<BackupRow>(
    CompiledQuery.raw(`SELECT ${BACKUP_COLUMNS} FROM backups b ${sql}`, [...values]),
  );
  const links = nextLinks(context, collection, page, rows.at(-1)?.id, count || rows.length);
  return {
    rows,
    beside: { ...(links.length > 0 && { backups_links: links }), ...(count !== undefined && { count }) },
  };
}

const WORDS = /^\s*(1|0|t|f|true|false|on|off|y|n|yes|no)\s*$/i;

function scope({ caller }: RequestContext, query: Query): Condition[] {
  const wanted = query['all_tenants'];
  if (caller.isAdmin && wanted !== undefined && !WORDS.test(wanted)) {
    throw badRequest(`all_tenants must be a boolean, got '${wanted.slice(0, 100).toWellFormed()}'.`);
  }
  const all = caller.isAdmin && isTrue(wanted);
  return all ? [] : [{ sql: 'b.project_id = ?', values: [caller.projectId] }];
}

async function countBackups({ app }: RequestContext, conditions: readonly Condition[]): Promise<number> {
  const { where, values } = joined(conditions);
  const { rows } = await app.db.executeQuery<{ n: number }>(
    CompiledQuery.raw(`SELECT COUNT(*) AS n FROM backups b ${where}`, values),
  );
  return rows[0]?.n ?? 0;
}
