/** Nova's "Servers - run an action (servers, action)", the part that switches servers on and off. */
import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, idParams } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationInputs } from '#schema/operations.ts';
import { checkHost } from '../volume-attachments/health.ts';
import { showConsole } from './console.ts';
import { findServer, refuseForeign, wrongState } from './rows.ts';
import { consoleBody, consoleReply, rebootBody, startBody, stopBody } from './schema.ts';

type Action = OperationInputs['server.power']['action'];

interface Rule {
  /** What Nova calls it. */
  readonly name: string;
  readonly taskState: string;
  /** The statuses in which Nova takes it. */
  readonly from: readonly string[];
}

const RULES: { readonly [A in Action]: Rule } = {
  start: { name: 'start', taskState: 'powering-on', from: ['SHUTOFF'] },
  stop: { name: 'stop', taskState: 'powering-off', from: ['ACTIVE', 'ERROR'] },
  reboot: { name: 'reboot', taskState: 'rebooting', from: ['ACTIVE'] },
  'hard-reboot': {
    name: 'reboot',
    taskState: 'rebooting_hard',
    from: ['ACTIVE', 'SHUTOFF', 'PAUSED', 'SUSPENDED', 'ERROR'],
  },
};

/** The task state and the operation in one transaction; answers at once. */
async function power(context: RequestContext, id: string, action: Action): Promise<Reply> {
  const { app, caller } = context;
  const server = await findServer(context, id);
  refuseForeign(server);
  const rule = RULES[action];
  const root = await app.db
    .selectFrom('attachments')
    .select(['id', 'volume_id', 'project_id'])
    .where('server_id', '=', server.id)
    .where('boot_index', '=', 0)
    .executeTakeFirst();
  // One that could not be made has no volume, and nothing to switch on.
  if (root === undefined) throw wrongState(server, rule.name);
  await checkHost(app, server);
  const operation = await transaction(app.db, async (tx) => {
    tx.must(
      tx.q
        .updateTable('servers')
        .set({ task_state: rule.taskState, updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', server.id)
        .where('task_state', 'is', null)
        .where('status', 'in', rule.from),
    );
    return app.operations.begin(tx, {
      kind: 'server.power',
      volumeId: root.volume_id,
      attachmentId: root.id,
      projectId: root.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { serverId: server.id, action },
    });
  }).catch(async (error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw wrongState(await findServer(context, id), rule.name);
  });
  app.operations.submit(operation);
  return { status: 202 };
}

const shared = { method: 'POST', path: '/servers/{id}/action', params: idParams, query: anyQuery } as const;

export const actionRoutes: readonly Route[] = [
  route({
    ...shared,
    action: 'os-start',
    summary: 'Start a server',
    body: startBody,
    replies: { 202: null },
    handle: (context, { params }) => power(context, params.id, 'start'),
  }),
  route({
    ...shared,
    action: 'os-stop',
    summary: 'Stop a server',
    body: stopBody,
    replies: { 202: null },
    handle: (context, { params }) => power(context, params.id, 'stop'),
  }),
  route({
    ...shared,
    action: 'reboot',
    summary: 'Reboot a server',
    body: rebootBody,
    replies: { 202: null },
    handle: (context, { params, body }) => power(context, params.id, body.reboot.type),
  }),
  route({
    ...shared,
    action: 'os-getConsoleOutput',
    summary: "Show the end of a server's console log",
    body: consoleBody,
    replies: { 200: consoleReply },
    handle: (context, { params, body }) =>
      showConsole(context, params.id, body['os-getConsoleOutput']?.length ?? null),
  }),
];
