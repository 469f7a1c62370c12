/** Nova's "Servers (servers)": those that are made here, and the libvirt domains that our agents report. */
import { z } from 'zod';
import { anyQuery, idParams, links, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { actionRoutes } from './actions.ts';
import { createServer } from './create.ts';
import { deleteServer } from './delete.ts';
import { detailViews, listServers, SERVER_LIST_QUERY, showServer } from './list.ts';
import { createBody, createReply, detail, summary, updateBody } from './schema.ts';
import { updateServer } from './update.ts';
import { summaryView } from './view.ts';

const ending = { servers_links: links.optional() };

export const serverRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/servers',
    summary: 'List servers',
    params: noParams,
    query: anyQuery,
    ...SERVER_LIST_QUERY,
    replies: { 200: z.strictObject({ servers: z.array(summary), ...ending }) },
    handle: async (context, { query }) => {
      const { rows, ending } = await listServers(context, query, 'servers');
      return { status: 200, body: { servers: rows.map((row) => summaryView(context, row)), ...ending } };
    },
  }),
  route({
    method: 'GET',
    path: '/servers/detail',
    summary: 'List servers with details',
    params: noParams,
    query: anyQuery,
    ...SERVER_LIST_QUERY,
    replies: { 200: z.strictObject({ servers: z.array(detail), ...ending }) },
    handle: async (context, { query }) => {
      const { rows, ending } = await listServers(context, query, 'servers/detail');
      return { status: 200, body: { servers: await detailViews(context, rows), ...ending } };
    },
  }),
  route({
    method: 'POST',
    path: '/servers',
    summary: 'Boot a server from a volume',
    params: noParams,
    query: anyQuery,
    body: createBody,
    replies: { 202: createReply },
    handle: (context, { body }) => createServer(context, body.server),
  }),
  route({
    method: 'GET',
    path: '/servers/{id}',
    summary: 'Show a server',
    params: idParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ server: detail }) },
    handle: (context, { params }) => showServer(context, params.id),
  }),
  route({
    method: 'PUT',
    path: '/servers/{id}',
    summary: 'Rename a server',
    params: idParams,
    query: anyQuery,
    body: updateBody,
    replies: { 200: z.strictObject({ server: detail }) },
    handle: (context, { params, body }) => updateServer(context, params.id, body.server.name),
  }),
  route({
    method: 'DELETE',
    path: '/servers/{id}',
    summary: 'Delete a server',
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: (context, { params }) => deleteServer(context, params.id),
  }),
  ...actionRoutes,
];
