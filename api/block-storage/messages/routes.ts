/**
 * Cinder's "Messages": why something failed, or waits, where stock clients look for it (`cinder message-list`). Each is an
 * operation that was undone, is stuck, or waits: for a host that is down, or for a step that fails again and again. It carries the
 * operation's id.
 */
import { z } from 'zod';
import { anyQuery, idParams, links, noParams } from '#api/http/fields.ts';
import { nextLinks } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import { dismissMessage, findMessage, listMessages, MESSAGE_LIST_QUERY } from './rows.ts';
import { message, messageView } from './view.ts';
import { whatFailed } from './what-failed.ts';

/** Messages exist from 3.3, filters and pages of them from 3.5. */
const SINCE = 3;

export const messageRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/messages',
    summary: 'List messages about failures',
    since: SINCE,
    params: noParams,
    query: anyQuery,
    ...MESSAGE_LIST_QUERY,
    replies: { 200: z.strictObject({ messages: z.array(message), messages_links: links.optional() }) },
    handle: async (context, { query }) => {
      const { rows, waits, page } = await listMessages(context, query);
      const why = await whatFailed(
        context,
        rows.map(({ id }) => id),
      );
      const messages = rows.map((row) => messageView(context, row, why.get(row.id), waits.get(row.id)));
      const next = nextLinks(context, 'messages', page, rows.at(-1)?.id, rows.length);
      return { status: 200, body: { messages, ...(next.length > 0 && { messages_links: next }) } };
    },
  }),
  route({
    method: 'GET',
    path: '/messages/{id}',
    summary: 'Show a message about a failure',
    since: SINCE,
    params: idParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ message }) },
    handle: async (context, { params: { id } }) => {
      const row = await findMessage(context, id);
      const why = await whatFailed(context, [row.id]);
      return { status: 200, body: { message: messageView(context, row, why.get(row.id), row.waits) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/messages/{id}',
    summary: 'Delete a message about a failure',
    since: SINCE,
    params: idParams,
    query: anyQuery,
    replies: { 204: null },
    handle: async (context, { params: { id } }) => {
      await dismissMessage(context, id);
      return { status: 204 };
    },
  }),
];
