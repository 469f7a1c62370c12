import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { isTrue } from '#api/http/fields.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { readListing } from '#api/http/listing.ts';
import { PAGING_KEYS } from '#api/http/pagination.ts';
import { findGroup, type GroupRow } from './rows.ts';

type Query = Readonly<Record<string, string>>;

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  description: 'description',
  status: 'status',
  availability_zone: 'availability_zone',
  group_type_id: 'group_type_id',
  project_id: 'project_id',
  user_id: 'user_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof GroupRow>;
type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];

export function readGroups(context: RequestContext, query: Query, collection: string) {
  return readListing<Column, GroupRow>(context, query, {
    select: 'SELECT g.* FROM volume_groups g',
    table: 'g',
    sort: SORT_COLUMNS,
    conditions: [
      ...ofProject(context, query, 'g'),
      ...groupFilters(context, query, { table: 'g', known: ['name'], columns: COLUMNS, asciiColumns: ASCII }),
    ],
    collection,
    marker: (id) => findGroup(context, id),
  });
}

const COLUMNS = new Set(['name', 'description', 'availability_zone', 'project_id', 'user_id']);
const ASCII = new Set(['id', 'status', 'group_type_id', 'group_snapshot_id', 'source_group_id']);

/** An administrator may ask for every project's. */
export function ofProject({ caller }: RequestContext, query: Query, table: string): Condition[] {
  if (caller.isAdmin && isTrue(query['all_tenants'])) return [];
  return [{ sql: `${table}.project_id = ?`, values: [caller.projectId] }];
}

export interface Filterable {
  /** The alias of the table. */
  readonly table: string;
  /** What everybody may filter by (Cinder's `resource_filters.json`). */
  readonly known: readonly string[];
  /** What an administrator may, besides: columns of any text. */
  readonly columns: ReadonlySet<string>;
  readonly asciiColumns: ReadonlySet<string>;
}

/** From here on a filter that is not known is an error rather than ignored. */
const STRICT_SINCE = 31;
/** From here on `name~=part` matches any part of it. */
const LIKE_SINCE = 34;

/** @throws ApiError 400 for filters that the caller may not use. */
export function groupFilters(
  { caller, microversion }: RequestContext,
  query: Query,
  { table, known, columns, asciiColumns }: Filterable,
): Condition[] {
  return Object.entries(query).flatMap(([key, value]) => {
    if (PAGING_KEYS.has(key) || key === 'list_volume') return [];
    const like = microversion >= LIKE_SINCE && key.endsWith('~');
    const column = like ? key.slice(0, -1) : key;
    if (!caller.isAdmin && microversion >= STRICT_SINCE && !known.includes(column)) {
      throw badRequest(`Invalid filters ${key.slice(0, 100).toWellFormed()} are found in query options.`);
    }
    if (!columns.has(column) && !asciiColumns.has(column)) return [NOTHING];
    if (asciiColumns.has(column) && !isAscii(value)) return [NOTHING];
    return [
      like
        ? { sql: `LOCATE(?, ${table}.${column}) > 0`, values: [value] }
        : { sql: `${table}.${column} = ?`, values: [value] },
    ];
  });
}
