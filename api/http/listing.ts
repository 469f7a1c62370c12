import { CompiledQuery } from 'kysely';
import type { RequestContext } from './context.ts';
import { after, type Condition, onPage, onPageOfAny } from './keyset.ts';
import { nextLinks, readPage, readSort } from './pagination.ts';

type Query = Readonly<Record<string, string>>;

/** What a plain list reads. */
export interface Listing<R, C extends string> {
  /** `SELECT … FROM …`, whose rows are of type R. */
  readonly select: string;
  /** The table that it sorts by, and its alias. */
  readonly table: string;
  readonly alias: string;
  /** The API's names of what can be sorted by, and their columns. */
  readonly sort: Readonly<Record<string, C>>;
  readonly conditions: readonly Condition[];
  /** Given: one of these besides, each of which has an index of its own for the order. */
  readonly anyOf?: readonly Condition[];
  /** The path below the API's root that a `next` link repeats. */
  readonly collection: string;
  /** Undefined: none is no error, and the list begins at its beginning. @throws ApiError when there is no such row. */
  readonly marker: (id: string) => Promise<R | undefined>;
}

/** Reads one page of a list in MySQL, by keyset, and the link to the next one. */
export async function readListing<
  C extends string,
  R extends { readonly id: string } & Readonly<Record<C | 'created_at' | 'id', string | number | null>>,
>(
  context: RequestContext,
  query: Query,
  listing: Listing<R, C>,
): Promise<{ rows: R[]; links: { rel: string; href: string }[] }> {
  const { select, table, alias, collection } = listing;
  const page = readPage(query);
  const sort = readSort(query, listing.sort);
  const conditions = [...listing.conditions];
  const marker = page.marker === undefined ? undefined : await listing.marker(page.marker);
  if (marker !== undefined) conditions.push(after(alias, marker, sort));
  const { sql, values } =
    listing.anyOf === undefined
      ? onPage(table, alias, conditions, sort, page)
      : onPageOfAny(table, alias, listing.anyOf, conditions, sort, page);
  const { rows } = await context.app.db.executeQuery<R>(CompiledQuery.raw(`${select} ${sql}`, [...values]));
  return { rows, links: nextLinks(context, collection, page, rows.at(-1)?.id, rows.length) };
}
