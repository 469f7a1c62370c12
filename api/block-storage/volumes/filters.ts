import type { RequestContext } from '#api/http/context.ts';
import { type Condition, NOTHING } from '#api/http/keyset.ts';
import {
  comparesTime,
  consumesQuota,
  contains,
  equals,
  equalsAscii,
  equalsFlag,
  equalsNumber,
  type FilterTable,
  holdsPairs,
  isBelow,
  listQuery,
  readListFilters,
  usesQuota,
} from '#api/http/list-filters.ts';

const ATTACHED =
  "EXISTS (SELECT 1 FROM attachments a WHERE a.volume_id = v.id AND a.status IN ('attached', 'detaching'))";

/** Of a volume `v`, in Cinder's words. */
export const ATTACH_STATUS = `IF(${ATTACHED}, 'attached', 'detached')`;

const FILTERS: FilterTable = {
  anybody: {
    name: equals('v.name'),
    status: equalsAscii('v.status'),
    availability_zone: equals('v.availability_zone'),
    size: equalsNumber('v.size_gib'),
    bootable: equalsFlag('v.bootable', 'bootable'),
    metadata: holdsPairs('v.metadata'),
    glance_metadata: holdsPairs('v.image_metadata'),
    migration_status: equalsAscii('v.migration_status'),
    group_id: equalsAscii('v.group_id'),
    created_at: comparesTime('v.created_at'),
    updated_at: comparesTime('v.updated_at'),
    consumes_quota: consumesQuota,
  },
  admin: {
    id: equalsAscii('v.id'),
    host: isBelow('v.pool'),
    project_id: equals('v.project_id'),
    tenant_id: equals('v.project_id'),
    user_id: equals('v.user_id'),
    volume_type_id: equalsAscii('v.volume_type_id'),
    snapshot_id: equalsAscii('v.snapshot_id'),
    source_volid: equalsAscii('v.source_volume_id'),
    multiattach: equalsFlag('v.multiattach', 'multiattach'),
    attach_status: (value) =>
      value === 'attached' || value === 'detached'
        ? { sql: `${value === 'attached' ? '' : 'NOT '}${ATTACHED}`, values: [] }
        : NOTHING,
    use_quota: usesQuota,
    description: equals('v.description'),
    display_name: equals('v.name'),
    display_description: equals('v.description'),
  },
  since: {
    glance_metadata: 4,
    group_id: 10,
    // The version that brought them is 3.60: from 3.31 on Cinder forgets to look.
    created_at: 31,
    updated_at: 31,
    use_quota: 31,
  },
  counted: true,
  like: {
    'name~': contains('v.name'),
    'description~': contains('v.description'),
  },
};

/** What the lists take in a query. */
export const VOLUME_LIST_QUERY = listQuery(FILTERS, 'all_tenants');

/** The conditions that a list's query asks for, besides its project. */
export function readFilters(context: RequestContext, query: Readonly<Record<string, string>>): Condition[] {
  return readListFilters(context, query, FILTERS);
}
