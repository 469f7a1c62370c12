import type { Kysely } from 'kysely';
import { type Clock, sqlTimeToMs } from '#schema/clock.ts';
import type { OperationKind } from '#schema/operations.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Tables } from '#schema/tables.ts';
import { gauge } from '#telemetry/metrics.ts';
import { neededHosts } from '../../operations/needed-hosts.ts';

const waiting = gauge({
  name: 'blockyard_operations_waiting',
  help: 'Operations that wait for a host that is down, by host',
  labelNames: ['agent', 'host'],
});

/** Of operations that are under way, and whose step has not been answered; each is counted at the first host that it needs and is down. */
export async function collectWaiting(db: Kysely<Tables>, clock: Clock): Promise<void> {
  const steps = await db
    .selectFrom('operation_steps')
    .innerJoin('operations', 'operations.id', 'operation_steps.operation_id')
    .leftJoin('volumes', (join) =>
      join.onRef('volumes.id', '=', 'operations.volume_id').on('operations.backup_id', 'is', null),
    )
    .select(['operations.kind', 'operation_steps.name', 'operation_steps.host', 'volumes.pool'])
    .where('operations.state', 'in', OPEN_OPERATION_STATES)
    .where('operation_steps.state', '=', 'running')
    .execute();
  const services = await db
    .selectFrom('services')
    .select(['binary', 'agent', 'last_seen_at'])
    .where('binary', '!=', 'blockyard-conductor')
    .execute();
  const since = clock.now() - DOWN_AFTER_S * 1_000;
  const up = new Set(
    services
      .filter(({ last_seen_at }) => sqlTimeToMs(last_seen_at) >= since)
      .map(({ binary, agent }) => `${binary} ${agent}`),
  );
  waiting.reset();
  for (const { binary, agent: host } of services) {
    if (!up.has(`${binary} ${host}`)) waiting.set({ agent: binary.slice(PREFIX.length), host }, 0);
  }
  for (const step of steps) {
    const away = neededHosts(step.kind as OperationKind, step).find(
      ({ agent, host }) => !up.has(`${PREFIX}${agent} ${host}`),
    );
    if (away !== undefined) waiting.inc({ ...away });
  }
}

const PREFIX = 'blockyard-';
