import type { RequestContext } from './context.ts';
import { nextLinks, readPage, readSort, type SortKey } from './pagination.ts';

interface Sortable {
  readonly id: string;
  readonly created_at: string;
}

/**
 * Sorts and pages a list that is short enough to be read whole (types, specs, services).
 * @param missing what to throw when the marker is not in the list.
 */
export function pageOf<R extends Sortable>(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
  rows: readonly R[],
  columns: Readonly<Record<string, keyof R & string>>,
  collection: string,
  missing: (marker: string) => Error,
): { rows: R[]; links: { rel: string; href: string }[] } {
  const page = readPage(query);
  const sort = readSort<keyof R & string>(query, columns) as SortKey<keyof R & string>[];
  const sorted = rows.toSorted((a, b) => compareBy(sort, a, b));
  const found = page.marker === undefined ? -1 : sorted.findIndex((row) => row.id === page.marker);
  if (page.marker !== undefined && found === -1) throw missing(page.marker);
  const start = found + 1 + page.offset;
  const shown = sorted.slice(start, start + page.limit);
  return { rows: shown, links: nextLinks(context, collection, page, shown.at(-1)?.id, shown.length) };
}

function compareBy<R>(sort: readonly SortKey<keyof R & string>[], a: R, b: R): number {
  for (const { column, descending } of sort) {
    const order = compare(a[column], b[column]);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [typeof a === 'string' ? a : '', typeof b === 'string' ? b : ''];
  return left < right ? -1 : Number(left > right);
}
