import type { RequestContext } from '#api/http/context.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { filtersBeside, invalidFilters, type QueryNames } from '#api/http/list-filters.ts';
import { readListing } from '#api/http/listing.ts';
import { LIST_QUERY, sameForAll } from '#api/http/pagination.ts';
import { findGroup, type GroupRow } from './rows.ts';

type Query = Readonly<Record<string, string>>;

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  description: 'description',
  status: 'status',
  ...sameForAll('deleted', 'host', 'cluster_name', 'replication_status'),
  availability_zone: 'availability_zone',
  group_type_id: 'group_type_id',
  project_id: 'project_id',
  user_id: 'user_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof GroupRow>;
type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];

const COLUMNS = {
  table: 'g',
  columns: new Set(['name', 'description', 'availability_zone', 'project_id', 'user_id']),
  asciiColumns: new Set(['id', 'status', 'group_type_id', 'group_snapshot_id', 'source_group_id']),
} as const;
const FILTERS: Readonly<Record<'groups' | 'consistencygroups', Filterable>> = {
  groups: { ...COLUMNS, known: ['name'], passedOver: 'list_volume' },
  consistencygroups: { ...COLUMNS, known: 'all' },
};

/** What the lists take in a query, by the newer words and by the older. */
export const GROUP_LIST_QUERY = groupQuery(FILTERS.groups);
export const CONSISTENCY_GROUP_LIST_QUERY = groupQuery(FILTERS.consistencygroups);

/** By the older words (`consistencygroups`) everybody may filter by what they like; what is not known matches nothing. */
export function readGroups(
  context: RequestContext,
  query: Query,
  collection: 'groups' | 'consistencygroups',
) {
  return readListing<Column, GroupRow>(context, query, {
    select: 'SELECT g.* FROM volume_groups g',
    table: 'volume_groups',
    alias: 'g',
    sort: SORT_COLUMNS,
    conditions: [...ofProject(context, query, 'g'), ...groupFilters(context, query, FILTERS[collection])],
    collection,
    marker: (id) => findGroup(context, id),
  });
}

/** An administrator may ask for every project's: that `all_tenants` is there is enough for Cinder, whatever it says. */
export function ofProject({ caller }: RequestContext, query: Query, table: string): Condition[] {
  if (isOfAll(caller, query)) return [];
  return [{ sql: `${table}.project_id = ?`, values: [caller.projectId] }];
}

function isOfAll(caller: RequestContext['caller'], query: Query): boolean {
  return caller.isAdmin && 'all_tenants' in query;
}

export interface Filterable {
  /** The alias of the table. */
  readonly table: string;
  /** What everybody may filter by (Cinder's `resource_filters.json`). */
  readonly known: readonly string[] | 'all';
  /** What an administrator may, besides: columns of any text. */
  readonly columns: ReadonlySet<string>;
  readonly asciiColumns: ReadonlySet<string>;
  /** A key that is no filter. */
  readonly passedOver?: string;
}

const ASKED: ReadonlySet<string> = new Set([...LIST_QUERY, 'all_tenants']);

/** From here on a filter that is not known is an error rather than ignored. */
const STRICT_SINCE = 31;
/** From here on `name~=part` matches any part of it. */
const LIKE_SINCE = 34;

/**
 * All that such a list takes in its query; but for a part of a project's id, which generated clients could not tell from the
 * path's project.
 */
export function groupQuery({ known, columns, asciiColumns, passedOver }: Filterable): QueryNames {
  const isKnown = (name: string): boolean => known === 'all' || known.includes(name);
  const withLike = (names: readonly string[]): string[] =>
    names.flatMap((name) => (name === 'project_id' ? [name] : [name, `${name}~`]));
  const all = [...columns, ...asciiColumns];
  return {
    queryNames: [
      ...LIST_QUERY,
      ...(passedOver === undefined ? [] : [passedOver]),
      ...withLike(all.filter(isKnown)),
    ],
    adminQueryNames: ['all_tenants', ...withLike(all.filter((name) => !isKnown(name)))],
  };
}

/** @throws ApiError 400 for filters that the caller may not use. */
export function groupFilters(
  { caller, microversion, rawQuery }: RequestContext,
  query: Query,
  { table, known, columns, asciiColumns, passedOver }: Filterable,
): Condition[] {
  const filters = filtersBeside(ASKED, rawQuery).filter(
    ([key]) => Object.hasOwn(query, key) && key !== passedOver,
  );
  const isLike = (key: string): boolean => microversion >= LIKE_SINCE && key.endsWith('~');
  const columnOf = (key: string): string => (isLike(key) ? key.slice(0, -1) : key);
  if (!caller.isAdmin && microversion >= STRICT_SINCE && known !== 'all') {
    const unknown = filters.map(([key]) => key).filter((key) => !known.includes(columnOf(key)));
    if (unknown.length > 0) {
      throw invalidFilters(unknown);
    }
  }
  return filters.flatMap(([key, value]) => {
    // A list of one project is of the caller's, whatever else is asked for.
    if (key === 'project_id' && !isOfAll(caller, query)) return [];
    const [like, column] = [isLike(key), columnOf(key)];
    if (!columns.has(column) && !asciiColumns.has(column)) return [NOTHING];
    if (asciiColumns.has(column) && !isAscii(value)) return [NOTHING];
    return [
      like
        ? { sql: `LOCATE(?, ${table}.${column}) > 0`, values: [value] }
        : { sql: `${table}.${column} = ?`, values: [value] },
    ];
  });
}
