import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import { readListing } from '#api/http/listing.ts';
import type { Reply } from '#api/http/route.ts';
import { findGroupSnapshot, type GroupSnapshotRow } from '../group-snapshots/rows.ts';

/** The project's own, the newest first; only `limit` and `offset` count, and a limit of 0 is none. */
export async function listSnapshots(
  context: RequestContext,
  { limit, offset }: Readonly<Record<string, string>>,
  detail: boolean,
): Promise<Reply> {
  const page = {
    ...(limit !== undefined && limit !== '0' && { limit }),
    ...(offset !== undefined && { offset }),
  };
  const { rows } = await readListing<'created_at', GroupSnapshotRow>(context, page, {
    select: 'SELECT s.* FROM group_snapshots s',
    table: 'group_snapshots',
    alias: 's',
    sort: { created_at: 'created_at' },
    conditions: [{ sql: 's.project_id = ?', values: [context.caller.projectId] }],
    collection: 'cgsnapshots',
    marker: (id) => findGroupSnapshot(context, id),
  });
  const cgsnapshots = rows.map((row) => (detail ? view(row) : { id: row.id, name: row.name }));
  return { status: 200, body: { cgsnapshots } };
}

export async function showSnapshot(context: RequestContext, id: string): Promise<Reply> {
  return { status: 200, body: { cgsnapshot: view(await findGroupSnapshot(context, id)) } };
}

function view(row: GroupSnapshotRow) {
  return {
    id: row.id,
    consistencygroup_id: row.group_id,
    status: row.status,
    created_at: isoTime(row.created_at),
    name: row.name,
    description: row.description,
  };
}
