import type { Kysely } from 'kysely';
import { type Clock, sqlTimeToMs } from '#schema/clock.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import type { Tables } from '#schema/tables.ts';
import { gauge } from '#telemetry/metrics.ts';
import { agentQueue } from '../../names.ts';

const up = gauge({
  name: 'blockyard_service_up',
  help: '1 while the service has reported within BLOCKYARD_SERVICE_DOWN_S (a minute)',
  labelNames: ['binary', 'host'],
});
const disabled = gauge({
  name: 'blockyard_service_disabled',
  help: '1 while nothing new is placed there',
  labelNames: ['binary', 'host'],
});

/** @returns the queues of all agents that have ever reported. */
export async function collectServices(db: Kysely<Tables>, clock: Clock): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('services')
    .select(['binary', 'host', 'agent', 'disabled', 'last_seen_at'])
    .execute();
  const since = clock.now() - DOWN_AFTER_S * 1_000;
  up.reset();
  disabled.reset();
  for (const { binary, host, disabled: off, last_seen_at } of rows) {
    up.set({ binary, host }, sqlTimeToMs(last_seen_at) >= since ? 1 : 0);
    disabled.set({ binary, host }, off);
  }
  const agents = rows.filter(({ binary }) => binary !== 'blockyard-conductor');
  return [
    ...new Set(
      agents.map(({ binary, agent }) =>
        agentQueue(binary === 'blockyard-compute' ? 'compute' : 'storage', agent),
      ),
    ),
  ];
}
