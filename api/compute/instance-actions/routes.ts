/** Nova's "Servers actions (servers, os-instance-actions)", told from operations. */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { anyQuery, isoTime, time } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { findServer } from '../servers/rows.ts';
import { namesOf } from './names.ts';
import { readOperations, type ServerOperation, untoldGuests } from './read.ts';

/** Microversions of Nova that changed these views. */
const EVENTS_SINCE = 51;
const UPDATED_SINCE = 58;

const summary = z.strictObject({
  action: z.string(),
  instance_uuid: z.string(),
  message: z.string().nullable(),
  project_id: z.string(),
  request_id: z.string(),
  start_time: time,
  user_id: z.string(),
  updated_at: time.optional(),
});
const event = z.strictObject({
  event: z.string(),
  start_time: time,
  finish_time: time.nullable(),
  result: z.enum(['Success', 'Error']).nullable(),
  traceback: z.null().optional(),
});

export const instanceActionRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/servers/{server_id}/os-instance-actions',
    summary: 'List what was done to a server',
    params: z.strictObject({ server_id: z.string() }),
    query: anyQuery,
    replies: { 200: z.strictObject({ instanceActions: z.array(summary) }) },
    handle: (context, { params }) => list(context, params.server_id),
  }),
  route({
    method: 'GET',
    path: '/servers/{server_id}/os-instance-actions/{request_id}',
    summary: 'Show what one request did to a server',
    params: z.strictObject({ server_id: z.string(), request_id: z.string() }),
    query: anyQuery,
    replies: {
      200: z.strictObject({ instanceAction: summary.extend({ events: z.array(event).optional() }) }),
    },
    handle: (context, { params }) => show(context, params.server_id, params.request_id),
  }),
];

async function list(context: RequestContext, serverId: string): Promise<Reply> {
  const server = await findServer(context, serverId);
  const requests = Map.groupBy(await readOperations(context.app, server), (each) => each.request_id);
  const instanceActions = [...requests.values()].map((operations) => view(context, server.id, operations));
  return { status: 200, body: { instanceActions } };
}

async function show(context: RequestContext, serverId: string, requestId: string): Promise<Reply> {
  const server = await findServer(context, serverId);
  const operations = (await readOperations(context.app, server)).filter(
    (each) => each.request_id === requestId,
  );
  if (operations.length === 0) {
    throw new ApiError(
      404,
      `Action for request_id ${requestId.slice(0, 255)} on instance ${server.id} not found`,
    );
  }
  const untold = await untoldGuests(context.app, operations);
  const { caller, microversion } = context;
  const instanceAction = {
    ...view(context, server.id, operations),
    ...((caller.isAdmin || microversion >= EVENTS_SINCE) && {
      events: operations.map((each) => ({
        event: namesOf(each.kind, each.input).event,
        start_time: isoTime(each.started_at ?? each.created_at),
        finish_time: each.ended_at === null ? null : isoTime(each.ended_at),
        result: resultOf(each, untold),
        ...(caller.isAdmin && { traceback: null }),
      })),
    }),
  };
  return { status: 200, body: { instanceAction } };
}

/** @param operations of one request, newest first: what was asked for came first. */
function view({ microversion }: RequestContext, serverId: string, operations: readonly ServerOperation[]) {
  const asked = operations.at(-1)!;
  const failed = operations.some(({ state }) => state === 'undone' || state === 'stuck');
  return {
    action: namesOf(asked.kind, asked.input).action,
    instance_uuid: serverId,
    message: failed ? 'Error' : null,
    project_id: asked.project_id,
    request_id: asked.request_id,
    start_time: isoTime(asked.created_at),
    user_id: asked.user_id,
    ...(microversion >= UPDATED_SINCE && { updated_at: isoTime(asked.ended_at ?? asked.created_at) }),
  };
}

function resultOf({ id, state, ended_at }: ServerOperation, untold: ReadonlySet<string>) {
  if (ended_at === null) return null;
  return state === 'done' && !untold.has(id) ? ('Success' as const) : ('Error' as const);
}
