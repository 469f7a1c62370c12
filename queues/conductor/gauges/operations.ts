import { type Kysely, sql } from 'kysely';
import { type Clock, sqlTime, sqlTimeToMs } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { gauge } from '#telemetry/metrics.ts';
import { countStuck } from '../../operations/stuck.ts';

/** Open longer than this, an operation waits for something that a person should look at. */
const OVERDUE_MS = 600_000;
/** Attempts of a step; what failed so often does not pass by itself. */
const MANY_ATTEMPTS = 10;

const open = gauge({
  name: 'blockyard_operations_open',
  help: 'Operations that have not ended, by state',
  labelNames: ['state'],
});
const oldest = gauge({
  name: 'blockyard_operations_oldest_seconds',
  help: 'Age of the oldest operation that has not ended, by state; 0 when there is none',
  labelNames: ['state'],
});
const overdue = gauge({
  name: 'blockyard_operations_overdue',
  help: 'Operations that have not ended after ten minutes',
});
const stuck = gauge({
  name: 'blockyard_operations_stuck',
  help: 'Operations that were handed to a person who has not seen to them yet: should be 0',
});
const retried = gauge({
  name: 'blockyard_operations_retried',
  help: 'Operations under way with a step that has failed more than ten times',
});

export async function collectOperations(db: Kysely<Tables>, clock: Clock): Promise<void> {
  const now = clock.now();
  const late = sqlTime(now - OVERDUE_MS);
  const rows = await db
    .selectFrom('operations')
    .select(({ fn }) => [
      'state',
      fn.countAll<number>().as('count'),
      fn.min('created_at').as('first'),
      sql<number>`CAST(SUM(created_at < ${late}) AS SIGNED)`.as('late'),
    ])
    .where('state', 'in', OPEN_OPERATION_STATES)
    .groupBy('state')
    .execute();
  const byState = new Map(rows.map((row) => [row.state, row]));
  for (const state of OPEN_OPERATION_STATES) {
    const row = byState.get(state);
    open.set({ state }, row?.count ?? 0);
    oldest.set({ state }, row === undefined ? 0 : Math.max(0, now - sqlTimeToMs(row.first)) / 1_000);
  }
  overdue.set(OPEN_OPERATION_STATES.reduce((sum, state) => sum + (byState.get(state)?.late ?? 0), 0));
  stuck.set(await countStuck(db));
  const { many } = await db
    .selectFrom('operations')
    .innerJoin('operation_steps', 'operation_steps.operation_id', 'operations.id')
    .select(({ fn }) => fn.count<number>('operations.id').distinct().as('many'))
    .where('operations.state', 'in', OPEN_OPERATION_STATES)
    .where('operation_steps.state', '!=', 'done')
    .where('operation_steps.attempt', '>', MANY_ATTEMPTS)
    .executeTakeFirstOrThrow();
  retried.set(many);
}
