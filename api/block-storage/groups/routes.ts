import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { createGroup } from './create.ts';
import { deleteGroup } from './delete.ts';
import { createGroupFromSource } from './from-source.ts';
import { GROUP_LIST_QUERY, readGroups } from './list.ts';
import { replicationRoutes } from './replication.ts';
import { readStatus } from './reset-status.ts';
import { findGroup } from './rows.ts';
import * as schema from './schema.ts';
import { updateGroup } from './update.ts';
import { detailViews, summaryView } from './view.ts';

const GROUPS_SINCE = 13;
const common = { since: GROUPS_SINCE, query: anyQuery } as const;

async function resetStatus(context: RequestContext, id: string, text: string): Promise<Reply> {
  const { db, clock } = context.app;
  const status = readStatus('Group', text);
  const group = await findGroup(context, id);
  await db
    .updateTable('volume_groups')
    .set({ status, updated_at: sqlTime(clock.now()) })
    .where('id', '=', group.id)
    .execute();
  return { status: 202 };
}

export const groupRoutes: readonly Route[] = [
  route({
    ...common,
    method: 'GET',
    path: '/groups',
    summary: 'List groups',
    params: noParams,
    ...GROUP_LIST_QUERY,
    replies: { 200: schema.groupsReply },
    handle: async (context, { query }) => {
      const { rows, links } = await readGroups(context, query, 'groups');
      return {
        status: 200,
        body: { groups: rows.map(summaryView), ...(links.length > 0 && { group_links: links }) },
      };
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: '/groups/detail',
    summary: 'List groups with details',
    params: noParams,
    ...GROUP_LIST_QUERY,
    replies: { 200: schema.groupsDetailReply },
    handle: async (context, { query }) => {
      // Cinder's link leads to the plain list from here, too.
      const { rows, links } = await readGroups(context, query, 'groups');
      return {
        status: 200,
        body: {
          groups: await detailViews(context, query, rows),
          ...(links.length > 0 && { group_links: links }),
        },
      };
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/groups',
    summary: 'Create a group',
    params: noParams,
    body: schema.createBody,
    replies: { 202: schema.createdReply },
    handle: (context, { body }) => createGroup(context, body.group),
  }),
  route({
    method: 'POST',
    path: '/groups/action',
    action: 'create-from-src',
    summary: 'Create a group from another or from a group snapshot',
    since: 14,
    params: noParams,
    query: anyQuery,
    body: schema.createFromSourceBody,
    replies: { 202: schema.createdReply },
    handle: (context, { body }) => createGroupFromSource(context, body['create-from-src']),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/groups/{id}',
    summary: 'Show a group',
    params: idParams,
    queryNames: ['list_volume'],
    replies: { 200: schema.groupReply },
    handle: async (context, { params, query }) => {
      const [group] = await detailViews(context, query, [await findGroup(context, params.id)]);
      return { status: 200, body: { group } };
    },
  }),
  route({
    ...common,
    method: 'PUT',
    path: '/groups/{id}',
    summary: 'Update a group',
    params: idParams,
    body: schema.updateBody,
    replies: { 202: null },
    handle: (context, { params, body }) => updateGroup(context, params.id, body.group),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/groups/{id}/action',
    action: 'delete',
    summary: 'Delete a group',
    params: idParams,
    body: schema.deleteBody,
    replies: { 202: null },
    handle: (context, { params, body }) =>
      deleteGroup(context, params.id, body.delete['delete-volumes'] === true),
  }),
  route({
    method: 'POST',
    path: '/groups/{id}/action',
    action: 'reset_status',
    summary: "Reset a group's status",
    since: 20,
    params: idParams,
    query: anyQuery,
    body: schema.resetStatusBody,
    replies: { 202: null },
    handle: (context, { params, body }) => resetStatus(context, params.id, body.reset_status.status),
  }),
  ...replicationRoutes,
];
