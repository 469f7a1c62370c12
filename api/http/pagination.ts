import type { RequestContext } from './context.ts';
import { badRequest, invalidInput } from './errors.ts';

/** Microversion from which a list can say how many there are (`with_count`). */
export const COUNT_SINCE = 45;

/** Cinder's `osapi_max_limit`. */
const MAX_LIMIT = 1_000;
const MAX_INT = 2_147_483_647;

export interface Page {
  readonly limit: number;
  readonly offset: number;
  readonly marker: string | undefined;
}

/** The page a list's query asks for, in Cinder's parameters. */
export function readPage(query: Readonly<Record<string, string>>): Page {
  return { limit: readLimit(query['limit']), offset: readOffset(query['offset']), marker: query['marker'] };
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return MAX_LIMIT;
  if (!/^\s*[+-]?\d{1,30}\s*$/.test(text)) throw badRequest('limit param must be an integer');
  const limit = Number(text);
  if (limit < 0) throw badRequest('limit param must be positive');
  return Math.min(limit, MAX_LIMIT);
}

function readOffset(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\s*[+-]?\d{1,30}\s*$/.test(text)) throw badRequest('offset must be an integer');
  const offset = Number(text);
  if (offset < 0) throw badRequest('offset must be >= 0');
  if (offset > MAX_INT) throw badRequest(`offset must be <= ${MAX_INT}`);
  return offset;
}

export interface SortKey<C extends string = string> {
  readonly column: C;
  readonly descending: boolean;
  /** What is compared where that is no column of the table; rows that are markers have it by the column's name. */
  readonly sql?: string;
}

/**
 * What `sort=name:asc,size` (or the older `sort_key` and `sort_dir`) says, ended by creation time and id so that the
 * order is total.
 * @param columns the API's names of what can be sorted by, and their columns.
 * @param computed what stands for columns that the table does not have.
 */
export function readSort<C extends string>(
  query: Readonly<Record<string, string>>,
  columns: Readonly<Record<string, C>>,
  computed: Readonly<Record<string, string>> = {},
): SortKey<C | 'created_at' | 'id'>[] {
  const asked = requestedSort(query, 'created_at');
  if (asked.some(([, direction]) => direction !== 'asc' && direction !== 'desc')) {
    throw invalidInput("Unknown sort direction, must be 'desc' or 'asc'.");
  }
  const keys: SortKey<C | 'created_at' | 'id'>[] = asked.map(([name, direction]) => {
    const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
    if (column === undefined) throw invalidInput('Invalid sort key');
    const sql = computed[column];
    return { column, descending: direction === 'desc', ...(sql !== undefined && { sql }) };
  });
  const descending = keys[0]?.descending ?? true;
  for (const column of ['created_at', 'id'] as const) {
    if (!keys.some((key) => key.column === column)) keys.push({ column, descending });
  }
  // No two have the same id: what came after it would only keep MySQL from reading them in its order.
  return keys.slice(0, keys.findIndex(({ column }) => column === 'id') + 1);
}

/** Sort keys of Cinder's that have one value for all here: what comes next, the time of creation, decides. */
export function sameForAll<const N extends string>(...names: N[]): Record<N, 'created_at'> {
  return Object.fromEntries(names.map((name) => [name, 'created_at'])) as Record<N, 'created_at'>;
}

/** The names that a query sorts by, each with its direction, not judged yet. @throws ApiError 400 for both forms at once */
export function requestedSort(
  query: Readonly<Record<string, string>>,
  byDefault: string,
): [string, string][] {
  const { sort, sort_key: key, sort_dir: direction } = query;
  if (sort === undefined) return [[(key ?? byDefault).trim(), (direction ?? 'desc').trim()]];
  if (key !== undefined || direction !== undefined) {
    throw badRequest(
      "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
    );
  }
  return sort.split(',').map((part) => {
    const [name = '', given = ''] = part.split(':', 2);
    return [name.trim(), given.trim() === '' ? 'desc' : given.trim()];
  });
}

/** What every list reads from its query; of one that comes twice the first counts. */
export const LIST_QUERY = ['limit', 'offset', 'marker', 'sort', 'sort_key', 'sort_dir'] as const;

/** The query's names that page and sort; everything else is a filter. */
export const PAGING_KEYS: ReadonlySet<string> = new Set([...LIST_QUERY, 'all_tenants', 'with_count']);

/**
 * The `next` link, when a page is full and there may be more.
 */
export function nextLinks(
  context: RequestContext,
  collection: string,
  page: Page,
  lastId: string | undefined,
  count: number,
): { rel: string; href: string }[] {
  if (lastId === undefined || page.limit > count) return [];
  const query = new URLSearchParams(context.rawQuery);
  // At the end, wherever it was, as Cinder writes it.
  query.delete('marker');
  query.append('marker', lastId);
  return [{ rel: 'next', href: `${context.selfUrl}/${collection}?${query.toString()}` }];
}
