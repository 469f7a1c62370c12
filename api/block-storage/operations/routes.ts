/** Our own addition: what was asked for, how far it came and, when it failed, why. */
import { CompiledQuery, type Selectable } from 'kysely';
import { z } from 'zod';
import type { Caller, RequestContext } from '#api/http/context.ts';
import { badRequest, notFound } from '#api/http/errors.ts';
import { anyQuery, idParams, isoTime, isTrue, noParams, time } from '#api/http/fields.ts';
import { after, type Condition, onPage } from '#api/http/keyset.ts';
import { nextLinks, readPage } from '#api/http/pagination.ts';
import { asSeenBy } from '#api/http/places.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { isUuid, type OperationId } from '#schema/ids.ts';
import { OPERATION_TRANSITIONS, type OperationState } from '#schema/states.ts';
import type { OperationStepsTable, OperationsTable } from '#schema/tables.ts';
import { commandsOf } from './commands.ts';
import { type Waiting, waiting, waitingFor } from './waiting.ts';

const operation = z.strictObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  project_id: z.string(),
  user_id: z.string(),
  request_id: z.string(),
  volume_id: z.string(),
  attachment_id: z.string().nullable(),
  error: z.string().nullable(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  /** Null while it goes on, or has ended. */
  waiting: waiting.nullable(),
});
/** One thing that the host had done for the step. */
const command = z.strictObject({
  command: z.string(),
  exit_code: z.int().nullable(),
  /** Milliseconds from the agent's beginning with the step. */
  at_ms: z.int(),
  duration_ms: z.int(),
  error: z.string().nullable(),
});
const step = z.strictObject({
  name: z.string(),
  direction: z.enum(['do', 'undo']),
  host: z.string(),
  state: z.string(),
  attempt: z.int(),
  error: z.string().nullable(),
  /** Of its time: milliseconds in the queue, and between attempts. */
  wait_ms: z.int().nullable(),
  commands: z.array(command),
  commands_omitted: z.int(),
  started_at: time,
  ended_at: time.nullable(),
});
const links = z.array(z.strictObject({ rel: z.string(), href: z.string() }));

export const operationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/operations',
    summary: 'List operations, newest first',
    params: noParams,
    query: anyQuery,
    queryNames: ['limit', 'offset', 'marker', 'volume_id', 'state'],
    adminQueryNames: ['all_tenants'],
    replies: {
      200: z.strictObject({ operations: z.array(operation), operations_links: links.optional() }),
    },
    handle: (context, { query }) => listOperations(context, query),
  }),
  route({
    method: 'GET',
    path: '/operations/{id}',
    summary: "Show an operation's timeline",
    params: idParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ operation: operation.extend({ steps: z.array(step) }) }) },
    handle: async (context, { params }) => {
      const row = await findOperation(context, params.id);
      const steps = await context.app.db
        .selectFrom('operation_steps')
        .selectAll()
        .where('operation_id', '=', row.id)
        .orderBy('position')
        .execute();
      return {
        status: 200,
        body: {
          operation: {
            ...view(row, context.caller, await waitingFor(context.app, [row])),
            steps: steps.map((step) => stepView(step, context.caller)),
          },
        },
      };
    },
  }),
];

/** Two of one volume may begin within a millisecond. */
const NEWEST_FIRST = (['created_at', 'seq_base', 'id'] as const).map((column) => ({
  column,
  descending: true,
}));

async function listOperations(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
): Promise<Reply> {
  const page = readPage(query);
  const { caller, app } = context;
  const all = caller.isAdmin && isTrue(query['all_tenants']);
  const conditions: Condition[] = all ? [] : [{ sql: 'o.project_id = ?', values: [caller.projectId] }];
  const volume = query['volume_id'];
  if (volume !== undefined) {
    if (!isUuid(volume)) throw badRequest('volume_id is not a UUID');
    conditions.push({ sql: 'o.volume_id = ?', values: [volume.toLowerCase()] });
  }
  const state = query['state'];
  if (state !== undefined) conditions.push({ sql: 'o.state = ?', values: [readState(state)] });
  if (page.marker !== undefined)
    conditions.push(after('o', await findOperation(context, page.marker), NEWEST_FIRST));
  const { sql, values } = onPage('operations', 'o', conditions, NEWEST_FIRST, page);
  const { rows } = await app.db.executeQuery<Selectable<OperationsTable>>(
    CompiledQuery.raw(`SELECT o.* FROM operations o ${sql}`, [...values]),
  );
  const waits = await waitingFor(app, rows);
  const next = nextLinks(context, 'operations', page, rows.at(-1)?.id, rows.length);
  return {
    status: 200,
    body: {
      operations: rows.map((row) => view(row, caller, waits)),
      ...(next.length > 0 && { operations_links: next }),
    },
  };
}

function readState(text: string): OperationState {
  if (!Object.hasOwn(OPERATION_TRANSITIONS, text)) {
    throw badRequest(`state must be one of ${Object.keys(OPERATION_TRANSITIONS).join(', ')}`);
  }
  return text as OperationState;
}

async function findOperation(context: RequestContext, id: string): Promise<Selectable<OperationsTable>> {
  const { app, caller } = context;
  const row = isUuid(id)
    ? await app.db
        .selectFrom('operations')
        .selectAll()
        .where('id', '=', id.toLowerCase() as OperationId)
        .executeTakeFirst()
    : undefined;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw notFound('Operation', id.slice(0, 255));
  }
  return row;
}

function view(row: Selectable<OperationsTable>, caller: Caller, waits: ReadonlyMap<string, Waiting>) {
  const wait = waits.get(row.id);
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    project_id: row.project_id,
    user_id: row.user_id,
    request_id: row.request_id,
    volume_id: row.volume_id,
    attachment_id: row.attachment_id,
    error: row.error === null ? null : asSeenBy(caller, row.error),
    created_at: isoTime(row.created_at),
    started_at: row.started_at === null ? null : isoTime(row.started_at),
    ended_at: row.ended_at === null ? null : isoTime(row.ended_at),
    waiting: wait === undefined ? null : { ...wait, reason: asSeenBy(caller, wait.reason) },
  };
}

/** A step's output stays inside: it may hold what only hosts need to know. */
function stepView(row: Selectable<OperationStepsTable>, caller: Caller) {
  const { commands, omitted } = commandsOf(row, caller);
  return {
    name: row.name,
    direction: row.direction,
    host: row.host,
    state: row.state,
    attempt: row.attempt,
    error: row.error === null ? null : asSeenBy(caller, row.error),
    wait_ms: row.wait_ms,
    commands,
    commands_omitted: omitted,
    started_at: isoTime(row.started_at),
    ended_at: row.ended_at === null ? null : isoTime(row.ended_at),
  };
}
