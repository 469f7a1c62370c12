import { Queue } from 'bullmq';
import { type CompiledQuery, type Kysely, sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { Ids, OperationId, ProjectId } from '#schema/ids.ts';
import { type OperationKind, SEQ_PER_OPERATION } from '#schema/operations.ts';
import type { Tables } from '#schema/tables.ts';
import { currentTrace } from '#telemetry/tracing.ts';
import { endedChannel, OPERATIONS_QUEUE } from '../names.ts';
import { queueDepths } from '../queue-depths.ts';
import { openRedis } from '../redis.ts';
import { reach } from '../stopping-points.ts';
import { BUILDER, Tx } from '../transaction.ts';
import type { EndedOperation, NewOperation, OperationGateway } from './gateway.ts';

export interface GatewayOptions {
  readonly db: Kysely<Tables>;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** More than begin at the same time. */
const PROJECTS_KEPT = 10_000;

/** How often a waiter asks MySQL although no message came: Redis may have lost it. */
const ASK_EVERY_MS = 1_000;

/** How every operation job is added: the id makes a second one a no-op, and MySQL keeps the history. */
export function operationJobOptions(id: OperationId): {
  jobId: string;
  removeOnComplete: true;
  removeOnFail: true;
} {
  return { jobId: id, removeOnComplete: true, removeOnFail: true };
}

/** The next sequence numbers of the volume (or backup) and the operation's row, which learns them by LAST_INSERT_ID. */
function beginning(id: OperationId, operation: NewOperation<OperationKind>, now: string): CompiledQuery[] {
  const [table, held] =
    operation.backupId === undefined ? ['volumes', operation.volumeId] : ['backups', operation.backupId];
  return [
    // One that is busy with another operation keeps that one; ours waits its turn as the next in sequence.
    sql`UPDATE ${sql.table(table)} SET seq = LAST_INSERT_ID(seq + ${SEQ_PER_OPERATION}),
      operation_id = COALESCE(operation_id, ${id}) WHERE id = ${held}`.compile(BUILDER),
    BUILDER.insertInto('operations')
      .values({
        id,
        kind: operation.kind,
        state: 'queued',
        project_id: operation.projectId,
        user_id: operation.userId,
        request_id: operation.requestId,
        volume_id: operation.volumeId,
        attachment_id: operation.attachmentId ?? null,
        backup_id: operation.backupId ?? null,
        input: JSON.stringify(operation.input),
        owner: null,
        seq_base: sql<number>`LAST_INSERT_ID()`,
        traceparent: currentTrace(),
        error: null,
        created_at: now,
        started_at: null,
        ended_at: null,
      })
      .compile(),
  ];
}

export function createOperationGateway(
  options: GatewayOptions,
): OperationGateway & { close(): Promise<void> } {
  const { db, clock, ids, prefix } = options;
  const commands = openRedis(options.redisUrl);
  const queue = new Queue(OPERATIONS_QUEUE, { connection: commands, prefix });
  queue.on('error', () => undefined);
  const waiters = new Map<OperationId, Set<() => void>>();
  /** Of operations that have been begun and not submitted yet. */
  const projects = new Map<OperationId, ProjectId>();
  const messages = openRedis(options.redisUrl);
  void messages.subscribe(endedChannel(prefix)).catch(() => undefined);
  messages.on('message', (_channel: string, id: string) => {
    for (const wake of waiters.get(id as OperationId) ?? []) wake();
  });

  async function add(id: OperationId): Promise<void> {
    await reach('api.committed');
    await queue.add('run', { project: projects.get(id) }, operationJobOptions(id));
    projects.delete(id);
  }

  async function stateOf(id: OperationId): Promise<EndedOperation> {
    return db
      .selectFrom('operations')
      .select(['state', 'error'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
  }

  return {
    async begin(trx, operation) {
      const id = ids.uuid() as OperationId;
      projects.set(id, operation.projectId);
      // Transactions that are given up leave theirs behind.
      if (projects.size > PROJECTS_KEPT) projects.delete(projects.keys().next().value as OperationId);
      const statements = beginning(id, operation, sqlTime(clock.now()));
      if (trx instanceof Tx) for (const statement of statements) trx.later(statement);
      else for (const statement of statements) await trx.executeQuery(statement);
      await reach('api.writing', operation.kind);
      return id;
    },

    submit(id) {
      // While Redis is away nothing is piled up here: MySQL has the operation, the sweeper submits it.
      if (commands.status !== 'ready') return;
      add(id).catch(() => undefined);
    },

    async ended(id, timeoutMs) {
      const deadline = clock.now() + timeoutMs;
      for (;;) {
        const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
        const set = waiters.get(id) ?? new Set();
        waiters.set(id, set.add(wake));
        const timer = setTimeout(wake, Math.max(0, Math.min(ASK_EVERY_MS, deadline - clock.now())));
        try {
          const ended = await stateOf(id);
          if (['done', 'undone', 'stuck'].includes(ended.state) || clock.now() >= deadline) return ended;
          await woken;
        } finally {
          clearTimeout(timer);
          set.delete(wake);
          if (set.size === 0) waiters.delete(id);
        }
      }
    },

    depths: (queues) => queueDepths(commands, prefix, queues),

    async close() {
      await queue.close();
      commands.disconnect();
      messages.disconnect();
    },
  };
}
