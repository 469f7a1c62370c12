/**
 * Cinder's "Messages": why something failed, where stock clients look for it (`cinder message-list`). Each is an
 * operation that was undone or is stuck; it carries the operation's id.
 */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { anyQuery, idParams, isoTime, links, noParams, time } from '#api/http/fields.ts';
import { pageOf } from '#api/http/paged.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import { isUuid, type OperationId } from '#schema/ids.ts';

/** Messages exist from 3.3, filters and pages of them from 3.5. */
const SINCE = 3;
/** Operations are kept, but the field is part of Cinder's view; this is its default of 30 days. */
const KEPT_MS = 30 * 24 * 3_600_000;

const message = z.strictObject({
  id: z.string(),
  event_id: z.string(),
  user_message: z.string(),
  message_level: z.literal('ERROR'),
  resource_type: z.literal('VOLUME'),
  resource_uuid: z.string(),
  request_id: z.string(),
  created_at: time,
  guaranteed_until: time,
  links,
});

function failures({ app, caller }: RequestContext) {
  return app.db
    .selectFrom('operations')
    .select(['id', 'kind', 'state', 'project_id', 'request_id', 'volume_id', 'error', 'created_at'])
    .where('state', 'in', ['undone', 'stuck'])
    .where('error', 'is not', null)
    .$if(!caller.seesAllProjects, (select) => select.where('project_id', '=', caller.projectId));
}

type Row = Awaited<ReturnType<ReturnType<typeof failures>['execute']>>[number];

function view(context: RequestContext, row: Row) {
  const created = isoTime(row.created_at);
  const until = new Date(Date.parse(`${created.slice(0, 23)}Z`) + KEPT_MS).toISOString();
  const handed = row.state === 'stuck' ? ', handed to an administrator' : '';
  return {
    id: row.id,
    event_id: row.kind,
    user_message: `${row.kind}${handed}: ${row.error ?? ''}`,
    message_level: 'ERROR' as const,
    resource_type: 'VOLUME' as const,
    resource_uuid: row.volume_id,
    request_id: row.request_id,
    created_at: created,
    guaranteed_until: `${until.slice(0, 23)}000`,
    links: [
      { rel: 'self', href: `${context.selfUrl}/messages/${row.id}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/messages/${row.id}` },
    ],
  };
}

function noMessage(id: string): ApiError {
  return new ApiError(404, `Message ${id.slice(0, 255)} could not be found.`);
}

const SORT_COLUMNS = {
  id: 'id',
  event_id: 'kind',
  resource_uuid: 'volume_id',
  request_id: 'request_id',
  created_at: 'created_at',
} as const;

export const messageRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/messages',
    summary: 'List messages about failures',
    since: SINCE,
    params: noParams,
    query: anyQuery,
    queryNames: [...LIST_QUERY, 'resource_uuid', 'event_id', 'request_id'],
    replies: { 200: z.strictObject({ messages: z.array(message), messages_links: links.optional() }) },
    handle: async (context, { query }) => {
      const found = await failures(context).where('project_id', '=', context.caller.projectId).execute();
      const wanted = found.filter(
        (row) =>
          (query['resource_uuid'] === undefined || row.volume_id === query['resource_uuid']) &&
          (query['event_id'] === undefined || row.kind === query['event_id']) &&
          (query['request_id'] === undefined || row.request_id === query['request_id']),
      );
      const page = pageOf(context, query, wanted, SORT_COLUMNS, 'messages', noMessage);
      const messages = page.rows.map((row) => view(context, row));
      return {
        status: 200,
        body: { messages, ...(page.links.length > 0 && { messages_links: page.links }) },
      };
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
      const row = isUuid(id)
        ? await failures(context)
            .where('id', '=', id.toLowerCase() as OperationId)
            .executeTakeFirst()
        : undefined;
      if (row === undefined) throw noMessage(id);
      return { status: 200, body: { message: view(context, row) } };
    },
  }),
];
