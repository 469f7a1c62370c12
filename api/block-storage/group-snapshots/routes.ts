import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { readStatus } from '../groups/reset-status.ts';
import { createGroupSnapshot } from './create.ts';
import { deleteGroupSnapshot } from './delete.ts';
import { GROUP_SNAPSHOT_LIST_QUERY, readGroupSnapshots } from './list.ts';
import { findGroupSnapshot } from './rows.ts';
import * as schema from './schema.ts';
import { detailView } from './view.ts';

const common = { since: 14, query: anyQuery } as const;

async function resetStatus(context: RequestContext, id: string, text: string): Promise<Reply> {
  const { db, clock } = context.app;
  const status = readStatus('GroupSnapshot', text);
  const row = await findGroupSnapshot(context, id);
  await db
    .updateTable('group_snapshots')
    .set({ status, updated_at: sqlTime(clock.now()) })
    .where('id', '=', row.id)
    .execute();
  return { status: 202 };
}

export const groupSnapshotRoutes: readonly Route[] = [
  route({
    ...common,
    method: 'GET',
    path: '/group_snapshots',
    summary: 'List group snapshots',
    params: noParams,
    ...GROUP_SNAPSHOT_LIST_QUERY,
    replies: { 200: schema.groupSnapshotsReply },
    handle: async (context, { query }) => {
      const { rows, links } = await readGroupSnapshots(context, query, 'group_snapshots');
      const shown = rows.map(({ id, name }) => ({ id, name }));
      return {
        status: 200,
        body: { group_snapshots: shown, ...(links.length > 0 && { group_snapshot_links: links }) },
      };
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: '/group_snapshots/detail',
    summary: 'List group snapshots with details',
    params: noParams,
    ...GROUP_SNAPSHOT_LIST_QUERY,
    replies: { 200: schema.groupSnapshotsDetailReply },
    handle: async (context, { query }) => {
      // Cinder's link leads to the plain list from here, too.
      const { rows, links } = await readGroupSnapshots(context, query, 'group_snapshots');
      const shown = rows.map((row) => detailView(context, row));
      return {
        status: 200,
        body: { group_snapshots: shown, ...(links.length > 0 && { group_snapshot_links: links }) },
      };
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/group_snapshots',
    summary: 'Create a group snapshot',
    params: noParams,
    body: schema.createBody,
    replies: { 202: schema.createdReply },
    handle: (context, { body }) => createGroupSnapshot(context, body.group_snapshot),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/group_snapshots/{id}',
    summary: 'Show a group snapshot',
    params: idParams,
    replies: { 200: schema.groupSnapshotReply },
    handle: async (context, { params }) => ({
      status: 200,
      body: { group_snapshot: detailView(context, await findGroupSnapshot(context, params.id)) },
    }),
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/group_snapshots/{id}',
    summary: 'Delete a group snapshot',
    params: idParams,
    replies: { 202: null },
    handle: (context, { params }) => deleteGroupSnapshot(context, params.id),
  }),
  route({
    method: 'POST',
    path: '/group_snapshots/{id}/action',
    action: 'reset_status',
    summary: "Reset a group snapshot's status",
    since: 19,
    params: idParams,
    query: anyQuery,
    body: schema.resetStatusBody,
    replies: { 202: null },
    handle: (context, { params, body }) => resetStatus(context, params.id, body.reset_status.status),
  }),
];
