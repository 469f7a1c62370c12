/**
 * Cinder's "Messages": why something failed, or waits, where stock clients look for it (`cinder message-list`). Each is an
 * operation that was undone, is stuck, or waits for a host that is down; it carries the operation's id.
 */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { anyQuery, idParams, isoTime, links, noParams, time } from '#api/http/fields.ts';
import { pageOf } from '#api/http/paged.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Route, route } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { isUuid, type OperationId } from '#schema/ids.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import { type Waiting, waitingFor } from '../operations/waiting.ts';
import { whatFailed } from './what-failed.ts';

/** Messages exist from 3.3, filters and pages of them from 3.5. */
const SINCE = 3;
/** Of the operations under way, so many are looked at. */
const MOST_WAITING = 1_000;
/** Operations are kept, but the field is part of Cinder's view; this is its default of 30 days. */
const KEPT_MS = 30 * 24 * 3_600_000;

const message = z.strictObject({
  id: z.string(),
  event_id: z.string(),
  user_message: z.string(),
  message_level: z.enum(['ERROR', 'INFO']),
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

/** Those that are under way and wait for a host. */
async function waitingRows(
  context: RequestContext,
): Promise<{ rows: Row[]; waits: ReadonlyMap<string, Waiting> }> {
  const { app, caller } = context;
  const open = await app.db
    .selectFrom('operations')
    .select(['id', 'kind', 'state', 'project_id', 'request_id', 'volume_id', 'error', 'created_at'])
    .where('state', 'in', OPEN_OPERATION_STATES)
    // A quick one doesn't wait.
    .where('created_at', '<', sqlTime(app.clock.now() - 1_000))
    .$if(!caller.seesAllProjects, (select) => select.where('project_id', '=', caller.projectId))
    .limit(MOST_WAITING)
    .execute();
  const waits = await waitingFor(app, open);
  return { rows: open.filter(({ id }) => waits.has(id)), waits };
}

type Row = Awaited<ReturnType<ReturnType<typeof failures>['execute']>>[number];

function view(context: RequestContext, row: Row, failed: string | undefined, waits?: Waiting) {
  const created = isoTime(row.created_at);
  const until = new Date(Date.parse(`${created.slice(0, 23)}Z`) + KEPT_MS).toISOString();
  const handed = row.state === 'stuck' ? ', handed to an administrator' : '';
  return {
    id: row.id,
    event_id: row.kind,
    user_message:
      waits === undefined
        ? `${row.kind}${handed}: ${row.error ?? ''}${failed === undefined ? '' : ` (${failed})`}`
        : `${row.kind} waits since ${waits.since.slice(0, 19)} UTC and goes on by itself: ${waits.reason}`,
    message_level: waits === undefined ? ('ERROR' as const) : ('INFO' as const),
    resource_type: 'VOLUME' as const,
    resource_uuid: row.volume_id,
    request_id: row.request_id,
    created_at: created,
    guaranteed_until: `${until.slice(0, 23)}000`,
    links: [
      { rel: 'self', href: `${context.selfUrl}/messages/${row.id}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/messages/${row.id}` },
      // Ours: its whole timeline.
      { rel: 'operation', href: `${context.selfUrl}/operations/${row.id}` },
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
      const failed = await failures(context).where('project_id', '=', context.caller.projectId).execute();
      const { rows, waits } = await waitingRows(context);
      const found = [...failed, ...rows.filter((row) => row.project_id === context.caller.projectId)];
      const wanted = found.filter(
        (row) =>
          (query['resource_uuid'] === undefined || row.volume_id === query['resource_uuid']) &&
          (query['event_id'] === undefined || row.kind === query['event_id']) &&
          (query['request_id'] === undefined || row.request_id === query['request_id']),
      );
      const page = pageOf(context, query, wanted, SORT_COLUMNS, 'messages', noMessage);
      const why = await whatFailed(
        context,
        page.rows.map(({ id }) => id),
      );
      const messages = page.rows.map((row) => view(context, row, why.get(row.id), waits.get(row.id)));
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
      if (row !== undefined) {
        const why = await whatFailed(context, [row.id]);
        return { status: 200, body: { message: view(context, row, why.get(row.id)) } };
      }
      const { rows, waits } = await waitingRows(context);
      const waiting = rows.find((each) => each.id === id.toLowerCase());
      if (waiting === undefined) throw noMessage(id);
      return { status: 200, body: { message: view(context, waiting, undefined, waits.get(waiting.id)) } };
    },
  }),
];
