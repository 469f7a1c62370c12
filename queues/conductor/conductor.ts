import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { HostName, Ids, OperationId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { atMost } from '../at-most.ts';
import { endedChannel, OPERATIONS_QUEUE, reportChannel } from '../names.ts';
import { operationJobOptions } from '../operations/create-gateway.ts';
import { Placement } from '../placement/place.ts';
import type { Weights } from '../placement/weighers.ts';
import { openRedis } from '../redis.ts';
import type { EngineDeps } from './deps.ts';
import { createDispatcher } from './dispatcher.ts';
import { runOperation } from './engine.ts';
import { newestReports, takeReport } from './reports.ts';
import { restoreExports } from './restore.ts';
import { freeOrphans, purge, type SweeperDeps, sayAlive, unattended } from './sweeper.ts';

export interface ConductorOptions {
  readonly db: Kysely<Tables>;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly host: HostName;
  readonly availabilityZone: string;
  readonly version: string;
  readonly weights: Weights;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: (line: string) => void;
}

export interface Conductor {
  /** Stops taking operations up, lets go of those under way (they go on where they were) and closes connections. */
  stop(): Promise<void>;
}

/** Operations worked on at once. One that waits for an agent makes room for others after PARK_MS. */
const CONCURRENCY = 64;
const PARK_MS = 3_000;
/** While Redis is away queues close only once it is back; the operations are let go of all the same. */
const CLOSE_MS = 2_000;
const SWEEP_MS = 2_000;
const PURGE_MS = 600_000;

export async function startConductor(options: ConductorOptions): Promise<Conductor> {
  const { db, redisUrl, prefix, clock, log } = options;
  const bootId = options.ids.uuid();
  const stopping = new AbortController();
  const commands = openRedis(redisUrl);
  const dispatcher = createDispatcher(redisUrl, prefix, () => clock.now());
  const operations = new Queue(OPERATIONS_QUEUE, { connection: commands, prefix });
  operations.on('error', () => undefined);
  const running = new Map<OperationId, Promise<void>>();
  const sweeper: SweeperDeps = { ...options, bootId };
  const deps: EngineDeps = {
    db,
    dispatcher,
    clock,
    placement: new Placement(options.weights, clock),
    owner: `${options.host}/${bootId}`,
    pause,
    ended(id, next) {
      commands.publish(endedChannel(prefix), id).catch(() => undefined);
      if (next !== null) submit(next);
    },
  };

  function submit(id: OperationId): void {
    // While Redis is away nothing is piled up here: the next sweep finds the operation again.
    if (commands.status !== 'ready') return;
    operations
      .add('run', {}, operationJobOptions(id))
      .catch((error: Error) => log(`submitting ${id}: ${error.message}`));
  }

  function take(id: OperationId): Promise<void> {
    const known = running.get(id);
    if (known !== undefined) return known;
    const run = runOperation(deps, id, stopping.signal)
      // MySQL or Redis is away: the sweeper gives the operation to somebody once they are back.
      .catch((error: Error) => log(`operation ${id} will be taken up again: ${error.message}`))
      .finally(() => running.delete(id));
    running.set(id, run);
    return run;
  }

  async function sweep(): Promise<void> {
    await sayAlive(sweeper);
    await freeOrphans(sweeper, running);
    const waiting = (await unattended(sweeper)).filter((id) => !running.has(id));
    // Not by way of the queue: a job that a dead conductor had there stays locked for a while.
    for (const id of waiting.slice(0, CONCURRENCY)) void take(id);
    for (const id of waiting.slice(CONCURRENCY)) submit(id);
  }

  const restoring = new Set<string>();
  const exportsLost = (host: HostName, boot: string): void => {
    if (restoring.has(boot)) return;
    restoring.add(boot);
    log(`storage agent ${host} has started anew: restoring its exports`);
    const nonce = (): string => options.ids.uuid();
    restoreExports({ db, dispatcher, pause, nonce, log }, host, boot, stopping.signal)
      .catch((error: Error) => log(`restoring the exports of ${host}: ${error.message}`))
      .finally(() => restoring.delete(boot));
  };
  const report = (text: string): Promise<void> =>
    takeReport({ db, clock, exportsLost }, text).catch((error: Error) => log(`report: ${error.message}`));

  const reports = openRedis(redisUrl);
  await reports.subscribe(reportChannel(prefix));
  reports.on('message', (_channel: string, text: string) => void report(text));
  await sweep();
  for (const text of await newestReports(commands, prefix)) await report(text);

  const worker = new Worker(
    OPERATIONS_QUEUE,
    (job) => {
      const id = job.id as OperationId;
      const run = take(id);
      return atMost(PARK_MS, run);
    },
    {
      connection: commands,
      prefix,
      concurrency: CONCURRENCY,
      lockDuration: 10_000,
      stalledInterval: 4_000,
      maxStalledCount: 1_000,
    },
  );
  worker.on('error', (error) => log(`queue: ${error.message}`));

  // Apart, so that this conductor doesn't seem dead in MySQL while Redis is away.
  const timers = [
    every(SWEEP_MS, () => sweep().catch((error: Error) => log(`sweep: ${error.message}`))),
    every(PURGE_MS, () => purge(sweeper).catch((error: Error) => log(`purge: ${error.message}`))),
    every(SWEEP_MS, () => dispatcher.check().catch((error: Error) => log(`check: ${error.message}`))),
  ];

  async function closeQueues(): Promise<void> {
    await worker.close();
    await operations.close();
    await dispatcher.close();
  }

  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      const reason = new DOMException('the conductor stops', 'AbortError');
      stopping.abort(reason);
      dispatcher.abandon(reason);
      await Promise.allSettled(running.values());
      await atMost(CLOSE_MS, closeQueues());
      reports.disconnect();
      commands.disconnect();
      await db.updateTable('operations').set({ owner: null }).where('owner', '=', deps.owner).execute();
    },
  };
}

/** Starts the work again and again, but not while it is still under way. */
function every(ms: number, work: () => Promise<void>): NodeJS.Timeout {
  let working = false;
  return setInterval(() => {
    if (working) return;
    working = true;
    void work().finally(() => {
      working = false;
    });
  }, ms);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal });
}
