import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, Queue, Worker } from 'bullmq';
import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { HostName, Ids, OperationId, ProjectId } from '#schema/ids.ts';
import type { EvictionsWord } from '#schema/reports.ts';
import type { Tables } from '#schema/tables.ts';
import { answerQuestions } from '../answers.ts';
import { atMost } from '../at-most.ts';
import { endedChannel, evictionsChannel, OPERATIONS_QUEUE, reportChannels } from '../names.ts';
import { operationJobOptions } from '../operations/create-gateway.ts';
import { Placement } from '../placement/place.ts';
import type { Weights } from '../placement/weighers.ts';
import { openRedis } from '../redis.ts';
import { NotOurs } from './claim.ts';
import type { EngineDeps } from './deps.ts';
import { createDispatcher } from './dispatcher.ts';
import { runOperation } from './engine.ts';
import { Evictions } from './evictions.ts';
import { FairLine } from './fair-line.ts';
import { Liveness } from './liveness.ts';
import { newestReports, takeReport } from './reports.ts';
import { createReseal } from './reseal.ts';
import { restoreExports } from './restore.ts';
import { ServerClaims } from './server-claims.ts';
import { StorageReports } from './storage-reports.ts';
import { endedByOthers, freeOrphans, purge, type SweeperDeps, sayAlive, unattended } from './sweeper.ts';

export interface ConductorOptions {
  readonly db: Kysely<Tables>;
  readonly redisUrl: string;
  readonly prefix: string;
  /** `BLOCKYARD_SECRET_KEY` */
  readonly secretKey: string;
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

/** Operations worked on at once, and of these one project's. One that waits for an agent makes room after PARK_MS. */
const AT_ONCE = { total: 64, perKey: 48 } as const;
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
  const now = (): number => clock.now();
  const liveness = new Liveness(now);
  const dispatcher = createDispatcher(redisUrl, prefix, now, liveness, createReseal(options.secretKey));
  const evictions = new Evictions({ db, dispatcher, nonce: () => options.ids.uuid(), log });
  const operations = new Queue(OPERATIONS_QUEUE, { connection: commands, prefix });
  operations.on('error', () => undefined);
  const running = new Map<OperationId, Promise<void>>();
  const sweeper: SweeperDeps = { ...options, bootId, deafUntil: () => liveness.deafUntil };
  const deps: EngineDeps = {
    db,
    dispatcher,
    clock,
    placement: new Placement(options.weights, clock),
    owner: `${options.host}/${bootId}`,
    log,
    pause,
    ended(id, next, project) {
      commands.publish(endedChannel(prefix), id).catch(() => undefined);
      if (next !== null) submit(next, project);
    },
  };

  function submit(id: OperationId, project: ProjectId): void {
    // While Redis is away nothing is piled up here: the next sweep finds the operation again.
    if (commands.status !== 'ready') return;
    operations
      .add('run', { project }, operationJobOptions(id))
      .catch((error: Error) => log(`submitting ${id}: ${error.message}`));
  }

  function take(id: OperationId): Promise<void> {
    const known = running.get(id);
    if (known !== undefined) return known;
    // The next sweeps find it again.
    if (!liveness.isSettled) return Promise.resolve();
    const run = runOperation(deps, id, stopping.signal)
      // MySQL or Redis is away: the sweeper gives the operation to somebody once they are back.
      .catch((error: Error) => log(`operation=${id} will be taken up again: ${error.message}`))
      .finally(() => running.delete(id));
    running.set(id, run);
    return run;
  }

  /** What ran at the last sweep. */
  let before: ReadonlySet<OperationId> = new Set();

  const inLine = new Set<OperationId>();
  const line = new FairLine(AT_ONCE);

  /** Takes it up when it is its project's turn, which may be at once. */
  function takeInTurn(id: OperationId, project: string): void {
    if (running.has(id) || inLine.has(id)) return;
    inLine.add(id);
    const place = line.enter(project, () => {
      inLine.delete(id);
      if (stopping.signal.aborted) return;
      // One that waits for its agent for long makes room for others.
      void atMost(PARK_MS, take(id)).finally(() => place.leave());
    });
  }

  async function sweep(): Promise<void> {
    await sayAlive(sweeper);
    await freeOrphans(sweeper, running);
    const lasting = [...running.keys()].filter((id) => before.has(id));
    for (const id of await endedByOthers(sweeper, lasting))
      dispatcher.release(id, new NotOurs(`operation ${id} has been ended`));
    before = new Set(running.keys());
    // Not by way of the queue: a job that a dead conductor had there stays locked for a while.
    for (const { id, project_id } of await unattended(sweeper)) takeInTurn(id, project_id);
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
  const present = async (host: HostName, boot: string): Promise<void> => {
    const pending = await evictions.carryOut(host);
    const words = pending.map(({ volume_id: volumeId, server_id: serverId }) => ({ volumeId, serverId }));
    const answer: EvictionsWord = { bootId: boot, evictions: words };
    if (commands.status === 'ready')
      await commands.publish(evictionsChannel(prefix, host), JSON.stringify(answer));
  };
  const claims = new ServerClaims(clock);
  const storageReports = new StorageReports({ db, clock, exportsLost });
  const storage = storageReports.take.bind(storageReports);
  const report = (text: string, agent: string): Promise<void> =>
    takeReport({ db, clock, storage, present, claims, log }, text, agent).catch((error: Error) =>
      log(`report of ${agent}: ${error.message}`),
    );

  const reports = openRedis(redisUrl);
  const channels = reportChannels(prefix);
  await reports.psubscribe(`${channels}*`);
  liveness.listening();
  reports.on('pmessage', (_pattern: string, channel: string, text: string) => {
    const agent = channel.slice(channels.length);
    liveness.heard(agent);
    void report(text, agent);
  });
  const stopAnswering = await answerQuestions({ ...options, kind: 'conductor', answers: {} });
  await sweep();
  const newest = await newestReports(commands, prefix);
  for (const { agent } of newest) liveness.heard(agent);
  await Promise.all(newest.map(({ text, agent }) => report(text, agent)));

  const worker = new Worker(
    OPERATIONS_QUEUE,
    // The job is done once it is in line: MySQL knows the operation, and who waits here waits for its project's turn.
    async (job: Job<{ project?: string }>) => takeInTurn(job.id as OperationId, job.data.project ?? ''),
    {
      connection: commands,
      prefix,
      concurrency: AT_ONCE.total,
      lockDuration: 10_000,
      stalledInterval: 4_000,
      maxStalledCount: 1_000,
    },
  );
  worker.on('error', (error) => log(`queue: ${error.message}`));

  // Apart, so that this conductor doesn't seem dead in MySQL while Redis is away.
  const timers = [
    every(SWEEP_MS, () => sweep().catch((error: Error) => log(`sweep: ${error.message}`))),
    every(SWEEP_MS, () =>
      reports.ping().then(
        () => liveness.listening(),
        () => undefined,
      ),
    ),
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
      stopAnswering();
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
