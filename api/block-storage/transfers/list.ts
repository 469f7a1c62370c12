import type { RequestContext } from '#api/http/context.ts';
import { isTrue } from '#api/http/fields.ts';
import { type Condition, isAscii, NOTHING } from '#api/http/keyset.ts';
import { readListing } from '#api/http/listing.ts';
import { PAGING_KEYS, sameForAll } from '#api/http/pagination.ts';
import { findTransfer, type TransferRow } from './rows.ts';

type Query = Readonly<Record<string, string>>;

const SORT_COLUMNS = {
  id: 'id',
  display_name: 'name',
  volume_id: 'volume_id',
  created_at: 'created_at',
  source_project_id: 'source_project_id',
  no_snapshots: 'no_snapshots',
  ...sameForAll('updated_at', 'expires_at', 'destination_project_id', 'accepted', 'deleted_at', 'deleted'),
} as const satisfies Record<string, keyof TransferRow>;

/** Filters → columns. */
const FILTERS: Readonly<Record<string, string>> = {
  id: 't.id',
  volume_id: 't.volume_id',
  name: 't.name',
  display_name: 't.name',
  source_project_id: 't.source_project_id',
};
export const FILTER_NAMES: readonly string[] = Object.keys(FILTERS);

const SORTED_SINCE = 59;

/** @param sortable whether this path ever takes a marker and an order (from 3.59 on); the older path never does. */
export function readTransfers(context: RequestContext, query: Query, collection: string, sortable: boolean) {
  const paged = sortable && context.microversion >= SORTED_SINCE ? query : inOrderOfAge(query);
  return readListing<(typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS], TransferRow>(context, paged, {
    select: 'SELECT t.* FROM volume_transfers t',
    table: 'volume_transfers',
    alias: 't',
    sort: SORT_COLUMNS,
    conditions: conditions(context, query),
    collection,
    marker: (id) => findTransfer(context, id),
  });
}

function inOrderOfAge({ limit, offset }: Query): Query {
  return {
    ...(limit !== undefined && { limit }),
    ...(offset !== undefined && { offset }),
    sort: 'created_at:asc',
  };
}

function conditions({ caller }: RequestContext, query: Query): Condition[] {
  const all = caller.isAdmin && isTrue(query['all_tenants']);
  const found: Condition[] = all ? [] : [{ sql: 't.source_project_id = ?', values: [caller.projectId] }];
  for (const [key, value] of Object.entries(query)) {
    if (PAGING_KEYS.has(key) && key !== 'with_count') continue;
    const column = Object.hasOwn(FILTERS, key) ? FILTERS[key] : undefined;
    const fits = column !== undefined && (key.includes('name') || key.includes('project') || isAscii(value));
    found.push(fits ? { sql: `${column} = ?`, values: [value] } : NOTHING);
  }
  return found;
}
