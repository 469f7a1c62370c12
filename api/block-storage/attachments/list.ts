import { CompiledQuery } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { after, type Condition, joined, ordered } from '#api/http/keyset.ts';
import {
  containsAscii,
  equals,
  equalsAscii,
  type FilterTable,
  listQuery,
  readListFilters,
} from '#api/http/list-filters.ts';
import { readPage, readSort, sameForAll } from '#api/http/pagination.ts';
import type { AttachmentId } from '#schema/ids.ts';
import { type AttachmentRow, findAttachment, selectAttachments } from './rows.ts';

const SORT_COLUMNS = {
  id: 'id',
  volume_id: 'volume_id',
  instance_uuid: 'server_id',
  attach_status: 'status',
  attached_host: 'host',
  mountpoint: 'mountpoint',
  attach_mode: 'mode',
  attach_time: 'attached_at',
  created_at: 'created_at',
  updated_at: 'updated_at',
  ...sameForAll('detach_time', 'deleted_at', 'deleted'),
} as const satisfies Record<string, keyof AttachmentRow>;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];
type Query = Readonly<Record<string, string>>;

const FILTERS: FilterTable = {
  anybody: {
    volume_id: equalsAscii('attachments.volume_id'),
    status: equalsAscii('attachments.status'),
    instance_id: equalsAscii('attachments.server_id'),
    attach_status: equalsAscii('attachments.status'),
  },
  admin: {
    id: equalsAscii('attachments.id'),
    instance_uuid: equalsAscii('attachments.server_id'),
    attached_host: equals('attachments.host'),
    mountpoint: equals('attachments.mountpoint'),
    attach_mode: equalsAscii('attachments.mode'),
    project_id: equals('attachments.project_id'),
  },
  like: {
    'volume_id~': containsAscii('attachments.volume_id'),
    'instance_id~': containsAscii('attachments.server_id'),
    'status~': containsAscii('attachments.status'),
    'attach_status~': containsAscii('attachments.status'),
  },
};

/** What the lists take in a query. */
export const ATTACHMENT_LIST_QUERY = listQuery(FILTERS, 'all_tenants');

/** One page of attachments, found and put in order by MySQL. @throws ApiError 400 or, for the marker, 404 */
export async function listAttachments(context: RequestContext, query: Query): Promise<AttachmentRow[]> {
  const { caller } = context;
  const page = readPage(query);
  // Whatever it says: that it is there is enough for Cinder.
  const all = caller.isAdmin && 'all_tenants' in query;
  const conditions: Condition[] = [
    ...(all ? [] : [{ sql: 'attachments.project_id = ?', values: [caller.projectId] }]),
    ...readListFilters(context, query, FILTERS),
  ];
  const sort = readSort<Column>(query, SORT_COLUMNS);
  if (page.marker !== undefined) {
    conditions.push(after('attachments', await findAttachment(context, page.marker), sort));
  }
  const { where, values } = joined(conditions);
  const { rows: found } = await context.app.db.executeQuery<{ id: AttachmentId }>(
    CompiledQuery.raw(
      `SELECT attachments.id FROM attachments ${where} ORDER BY ${ordered('attachments', sort)} LIMIT ? OFFSET ?`,
      [...values, page.limit, page.offset],
    ),
  );
  const ids = found.map(({ id }) => id);
  if (ids.length === 0) return [];
  const rows = await selectAttachments(context).where('attachments.id', 'in', ids).execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}
