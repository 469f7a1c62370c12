/** Our own addition: how the whole installation is, in one answer. */
import { sql } from 'kysely';
import { z } from 'zod';
import type { App } from '#api/http/context.ts';
import { anyQuery, isoTime, noParams, time } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { agentQueue, OPERATIONS_QUEUE } from '#queues/names.ts';
import { countStuck } from '#queues/operations/stuck.ts';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES, type OperationState } from '#schema/states.ts';
import { isUp } from '../services/handlers.ts';

/** As long as the metric of that name says. */
const OVERDUE_MS = 600_000;

const service = z.strictObject({
  binary: z.string(),
  host: z.string(),
  state: z.enum(['up', 'down']),
  disabled: z.boolean(),
  version: z.string(),
  last_seen_at: time,
});
const operations = z.strictObject({
  queued: z.int(),
  running: z.int(),
  undoing: z.int(),
  /** Handed to a person: should be 0. */
  stuck: z.int(),
  /** Open for more than ten minutes. */
  overdue: z.int(),
});
const queue = z.strictObject({
  name: z.string(),
  waiting: z.int(),
  delayed: z.int(),
  active: z.int(),
  oldest_at: time.nullable(),
});
const status = z.strictObject({
  services: z.array(service),
  operations,
  /** Null while Redis does not answer. */
  queues: z.array(queue).nullable(),
});

export const statusRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/status',
    summary: 'Show the state of services, operations and queues',
    params: noParams,
    query: anyQuery,
    replies: { 200: z.strictObject({ status }) },
    handle: async ({ app }) => {
      const rows = await app.db.selectFrom('services').selectAll().orderBy('id').execute();
      const agents = rows
        .filter(({ binary }) => binary !== 'blockyard-conductor')
        .map(({ binary, agent }) =>
          agentQueue(binary === 'blockyard-compute' ? 'compute' : 'storage', agent),
        );
      return {
        status: 200,
        body: {
          status: {
            services: rows.map((row) => ({
              binary: row.binary,
              host: row.host,
              state: isUp(row, app.clock) ? ('up' as const) : ('down' as const),
              disabled: row.disabled === 1,
              version: row.version,
              last_seen_at: isoTime(row.last_seen_at),
            })),
            operations: await operationCounts(app),
            queues: await depths(app, [OPERATIONS_QUEUE, ...new Set(agents)]),
          },
        },
      };
    },
  }),
];

async function operationCounts({ db, clock }: App): Promise<z.input<typeof operations>> {
  const late = sqlTime(clock.now() - OVERDUE_MS);
  const rows = await db
    .selectFrom('operations')
    .select(({ fn }) => [
      'state',
      fn.countAll<number>().as('count'),
      sql<number>`CAST(SUM(created_at < ${late}) AS SIGNED)`.as('late'),
    ])
    .where('state', 'in', OPEN_OPERATION_STATES)
    .groupBy('state')
    .execute();
  const count = (state: OperationState): number => rows.find((row) => row.state === state)?.count ?? 0;
  const overdue = rows.reduce((sum, row) => sum + row.late, 0);
  return {
    queued: count('queued'),
    running: count('running'),
    undoing: count('undoing'),
    stuck: await countStuck(db),
    overdue,
  };
}

async function depths({ operations }: App, names: readonly string[]) {
  const found = await operations.depths(names).catch(() => null);
  return (
    found?.map(({ queue, oldest, waiting, delayed, active }) => ({
      name: queue,
      waiting,
      delayed,
      active,
      oldest_at: oldest === null ? null : isoTime(sqlTime(oldest)),
    })) ?? null
  );
}
