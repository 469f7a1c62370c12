import type { RequestContext } from '#api/http/context.ts';
import { readListing } from '#api/http/listing.ts';
import { sameForAll } from '#api/http/pagination.ts';
import { type Filterable, groupFilters, groupQuery, ofProject } from '../groups/list.ts';
import { findGroupSnapshot, type GroupSnapshotRow } from './rows.ts';

type Query = Readonly<Record<string, string>>;

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  description: 'description',
  status: 'status',
  ...sameForAll('deleted'),
  group_id: 'group_id',
  group_type_id: 'group_type_id',
  project_id: 'project_id',
  user_id: 'user_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof GroupSnapshotRow>;

/** Before this a list takes neither filters nor an order. */
const PAGED_SINCE = 29;
const FILTERS: Filterable = {
  table: 's',
  known: ['name', 'status', 'group_id'],
  columns: new Set(['name', 'description', 'project_id', 'user_id']),
  asciiColumns: new Set(['id', 'status', 'group_id', 'group_type_id']),
};

/** What the lists take in a query. */
export const GROUP_SNAPSHOT_LIST_QUERY = groupQuery(FILTERS);

export function readGroupSnapshots(context: RequestContext, query: Query, collection: string) {
  const paged = context.microversion >= PAGED_SINCE;
  const used = paged ? query : {};
  const filters = groupFilters(context, used, FILTERS);
  return readListing<(typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS], GroupSnapshotRow>(context, used, {
    select: 'SELECT s.* FROM group_snapshots s',
    table: 'group_snapshots',
    alias: 's',
    sort: SORT_COLUMNS,
    conditions: [...ofProject(context, used, 's'), ...filters],
    collection,
    marker: (id) => findGroupSnapshot(context, id),
  });
}
