import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { App } from '#api/http/context.ts';
import { isoTime, time } from '#api/http/fields.ts';
import { FLOWS } from '#queues/flows/index.ts';
import type { HostName } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import { OPEN_OPERATION_STATES, type OperationState } from '#schema/states.ts';
import type { OperationsTable } from '#schema/tables.ts';
import type { AgentKind } from '#schema/tasks.ts';
import { whyDown } from '../services/down.ts';

export const waiting = z.strictObject({
  /** The host that the operation cannot go on without. */
  host: z.string(),
  /** When it began to wait. */
  since: time,
  reason: z.string(),
});
export type Waiting = z.infer<typeof waiting>;

type Row = Pick<Selectable<OperationsTable>, 'id' | 'kind' | 'state'>;

/** Which of these operations wait for a host that is down. What has been sent to it is done once it is back. */
export async function waitingFor(app: App, rows: readonly Row[]): Promise<ReadonlyMap<string, Waiting>> {
  const kinds = new Map(
    rows
      .filter(({ state }) => (OPEN_OPERATION_STATES as readonly OperationState[]).includes(state))
      .map(({ id, kind }) => [id, kind as OperationKind]),
  );
  const found = new Map<string, Waiting>();
  if (kinds.size === 0) return found;
  const steps = await app.db
    .selectFrom('operation_steps')
    .select(['operation_id', 'name', 'host', 'started_at'])
    .where('operation_id', 'in', [...kinds.keys()])
    .where('state', '=', 'running')
    .execute();
  if (steps.length === 0) return found;
  const services = await app.db
    .selectFrom('services')
    .select(['binary', 'agent', 'last_seen_at'])
    .where(
      'agent',
      'in',
      steps.map(({ host }) => host as HostName),
    )
    .orderBy('last_seen_at', 'desc')
    .execute();
  for (const step of steps) {
    const agent = agentOf(kinds.get(step.operation_id), step.name);
    const service = services.find((each) => each.binary === `blockyard-${agent}` && each.agent === step.host);
    const down = service === undefined ? null : await whyDown(app, service);
    if (service === undefined || down === null) continue;
    const since = service.last_seen_at > step.started_at ? service.last_seen_at : step.started_at;
    found.set(step.operation_id, {
      host: step.host,
      since: isoTime(since),
      reason: `${agent} host ${step.host} ${down}`,
    });
  }
  return found;
}

function agentOf(kind: OperationKind | undefined, name: string): AgentKind | undefined {
  const row = kind === undefined ? undefined : FLOWS[kind].rows.find((each) => each.name === name);
  return row === undefined || row.on === 'conductor' ? undefined : row.on;
}
