import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { App } from '#api/http/context.ts';
import { isoTime, time } from '#api/http/fields.ts';
import { FLOWS } from '#queues/flows/index.ts';
import { neededHosts } from '#queues/operations/needed-hosts.ts';
import type { HostName, OperationId, PoolName } from '#schema/ids.ts';
import type { OperationKind } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import { OPEN_OPERATION_STATES, type OperationState } from '#schema/states.ts';
import type { OperationStepsTable, OperationsTable } from '#schema/tables.ts';
import { whyDown } from '../services/down.ts';

export const waiting = z.strictObject({
  /** The host that is down, or on which the step fails again and again. */
  host: z.string(),
  /** When it began to wait. */
  since: time,
  /** To be shown as the caller may see it: it may quote a host's words. */
  reason: z.string(),
});
export type Waiting = z.infer<typeof waiting>;

type Row = Pick<Selectable<OperationsTable>, 'id' | 'kind' | 'state'>;

/** A step that failed so often is not only unlucky. */
const MANY_FAILURES = 3;

/**
 * Which of these operations wait for a host that is down, or for a step that fails again and again. What has been sent to the one is done
 * once it is back; the other is tried again, without end.
 */
export async function waitingFor(app: App, rows: readonly Row[]): Promise<ReadonlyMap<string, Waiting>> {
  const open = rows.filter(({ state }) =>
    (OPEN_OPERATION_STATES as readonly OperationState[]).includes(state),
  );
  const steps = await readSteps(
    app,
    open.map(({ id }) => id),
  );
  const services = await readServices(
    app,
    [...steps.values()].flat().filter((step) => step.state === 'running'),
  );
  const whyDownOnce = once((service: Service) => whyDown(app, service));
  const found = new Map<string, Waiting>();
  for (const { id, kind, state } of open) {
    const direction = state === 'undoing' ? 'undo' : 'do';
    const all = steps.get(id)?.filter((step) => step.direction === direction) ?? [];
    const running = all.findLast((step) => step.state === 'running');
    const waits =
      (running && (await absence(services, whyDownOnce, kind as OperationKind, running))) ??
      persistence(kind as OperationKind, all);
    if (waits !== undefined) found.set(id, waits);
  }
  return found;
}

type Step = Pick<
  Selectable<OperationStepsTable>,
  'operation_id' | 'name' | 'direction' | 'host' | 'state' | 'attempt' | 'error' | 'started_at'
> & {
  /** Where the volume lies that the operation holds. */
  readonly pool: PoolName | null;
};

/** Of each operation, in their order. */
async function readSteps(app: App, ids: readonly OperationId[]): Promise<ReadonlyMap<OperationId, Step[]>> {
  if (ids.length === 0) return new Map();
  const steps = await app.db
    .selectFrom('operation_steps')
    .innerJoin('operations', 'operations.id', 'operation_steps.operation_id')
    .leftJoin('volumes', (join) =>
      join
        .onRef('volumes.id', '=', 'operations.volume_id')
        // One that holds a backup needs no more of the volume than its steps say.
        .on('operations.backup_id', 'is', null),
    )
    .select(['operation_steps.operation_id', 'operation_steps.name', 'direction', 'operation_steps.host'])
    .select([
      'volumes.pool',
      'operation_steps.state',
      'attempt',
      'operation_steps.error',
      'operation_steps.started_at',
    ])
    .where('operation_steps.operation_id', 'in', ids)
    .orderBy('operation_steps.operation_id')
    .orderBy('position')
    .execute();
  return Map.groupBy(steps, ({ operation_id }) => operation_id);
}

type Services = Awaited<ReturnType<typeof readServices>>;
type Service = Services[number];

async function readServices(app: App, steps: readonly Step[]) {
  const hosts = new Set(
    steps.flatMap(({ host, pool }) => [host as HostName, ...(pool === null ? [] : [poolParts(pool).agent])]),
  );
  if (hosts.size === 0) return [];
  return app.db
    .selectFrom('services')
    .select(['binary', 'agent', 'last_seen_at'])
    .where('agent', 'in', [...hosts])
    .orderBy('last_seen_at', 'desc')
    .execute();
}

/** However many wait for one host, it is asked about once. */
function once<K, V>(ask: (of: K) => V): (of: K) => V {
  const known = new Map<K, V>();
  return (of) => {
    const answer = known.get(of) ?? ask(of);
    known.set(of, answer);
    return answer;
  };
}

/** A host is down that the step needs. */
async function absence(
  services: Services,
  whyDownOnce: (service: Service) => Promise<string | null>,
  kind: OperationKind,
  step: Step,
): Promise<Waiting | undefined> {
  for (const { agent, host } of neededHosts(kind, step)) {
    const service = services.find((each) => each.binary === `blockyard-${agent}` && each.agent === host);
    const down = service === undefined ? null : await whyDownOnce(service);
    if (service === undefined || down === null) continue;
    const since = service.last_seen_at > step.started_at ? service.last_seen_at : step.started_at;
    return { host, since: isoTime(since), reason: `${agent} host ${host} ${down}` };
  }
  return undefined;
}

/** The newest step has failed, was begun again, and so on; it has not passed yet. Any that is not tried without end is given up soon. */
function persistence(kind: OperationKind, steps: readonly Step[]): Waiting | undefined {
  const newest = steps.at(-1);
  if (newest?.direction !== 'do' || newest.state === 'done' || !isEndless(kind, newest.name))
    return undefined;
  const failures = steps.filter(({ name, state }) => name === newest.name && state === 'failed');
  const [first, last] = [failures[0], failures.at(-1)];
  if (first === undefined || last === undefined || failures.length < MANY_FAILURES) return undefined;
  return {
    host: last.host,
    since: isoTime(first.started_at),
    // Some attempts may not have failed, but ended with their conductor.
    reason: `step "${last.name}" fails on host ${last.host}, by now in attempt ${newest.attempt}: ${last.error ?? 'no reason is known'}`,
  };
}

function isEndless(kind: OperationKind, name: string): boolean {
  const row = FLOWS[kind].rows.find((each) => each.name === name);
  return row !== undefined && row.on !== 'conductor' && row.endless === true;
}
