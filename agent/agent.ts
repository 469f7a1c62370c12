import { rm } from 'node:fs/promises';
import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq';
import { atMost } from '#queues/at-most.ts';
import { agentQueue, leaseKey, reportChannel, reportKey } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { reach } from '#queues/stopping-points.ts';
import { systemClock } from '#queues/system.ts';
import { splitAccount, withAccount } from '#schema/accounts.ts';
import { backendsOf } from '#schema/backends-of.ts';
import type { HostName } from '#schema/ids.ts';
import { type AgentReport, DOWN_AFTER_S, REPORT_EVERY_S } from '#schema/reports.ts';
import { type AgentKind, TASKS, type TaskEnvelope, TaskError, type TasksOf } from '#schema/tasks.ts';
import type { Handlers, TaskContext } from './handlers.ts';
import { KeyedMutex } from './keyed-mutex.ts';
import { type LeaseTimes, takeLease } from './lease.ts';
import { type Machine, thisMachine } from './machine.ts';
import { countReport } from './metrics.ts';
import { observed } from './observed.ts';
import { Places } from './places.ts';
import { reclaimJobs } from './reclaim.ts';
import type { Recorder } from './recorder.ts';
import { openSequenceJournal } from './sequence-journal.ts';
import { SharedRuns } from './shared-runs.ts';
import { beSoleAgent } from './sole-agent.ts';
import { TaskRecords } from './task-records.ts';

export interface AgentOptions<K extends AgentKind> {
  readonly kind: K;
  readonly host: HostName;
  readonly redisUrl: string;
  /** BullMQ's key prefix (`BLOCKYARD_QUEUE_PREFIX`). */
  readonly prefix: string;
  /** Where the sequence journal lives; one folder per agent. */
  readonly stateDir: string;
  /** Folder of secrets and data in clear that tasks work with: what a former agent was killed over is removed. Default none. */
  readonly scratch?: string;
  readonly handlers: Handlers<K>;
  /** What the agent says about itself every ten seconds. */
  readonly report: () => Promise<AgentReport>;
  /** Default: this one. Tests have several. */
  readonly machine?: Machine;
  readonly leaseTimes?: LeaseTimes;
  /** Called with the reason while another machine works under this name. */
  readonly onWait?: (reason: string) => void;
  readonly log: (line: string) => void;
}

export interface Agent {
  /** Resolves with the reason when another machine works under this agent's name: no task is begun any more, and the process must end. */
  readonly replaced: Promise<string>;
  /** Sends a report now instead of at the next turn: a domain has started, a target has lost its exports. */
  reportNow(): Promise<void>;
  /** Lets running tasks end, up to BullMQ's patience, and closes the connections. */
  stop(): Promise<void>;
}

/**
 * A task that got lost on the way (Redis was restarted from an older file) is taken up again this long after at the
 * latest. Short, because tasks ensure and so may run twice; a Node process that doesn't compute renews in time.
 */
const LOCK_MS = 6_000;
const STALLED_CHECK_MS = 2_000;
/** Tasks of different volumes at once, of one back end; all of them, on a hypervisor. */
const PLACES = 32;
/** A task that has found no place for so long goes back in line, where who has given it up can withdraw it, and is here again soon. */
const PLACE_WITHIN_MS = 2_000;
const PLACE_AGAIN_MS = 500;
/** Tasks that are at work or wait for a place: more than all conductors send at once. */
const IN_HAND = 1_024;
const STOP_MS = 8_000;
const RELEASE_MS = 1_000;
/** Characters of an error that crosses Redis. */
const LONGEST_MESSAGE = 8_000;

/**
 * Works on the host's queue: oldest first, one at a time per volume, never an older step after a newer one; each back end has places
 * of its own. While another
 * machine works under this name it waits, for as long as it takes.
 * @throws Error when another agent works with the same `stateDir`.
 */
export async function startAgent<K extends AgentKind>(options: AgentOptions<K>): Promise<Agent> {
  const { kind, host, prefix, handlers, log } = options;
  const leave = await beSoleAgent(options.stateDir);
  if (options.scratch !== undefined) await rm(options.scratch, { recursive: true, force: true });
  const journal = await openSequenceJournal(options.stateDir);
  const volumes = new KeyedMutex();
  const stopping = new AbortController();
  // BullMQ waits on a copy of this connection, which it closes itself; this one stays ours.
  const commands = openRedis(options.redisUrl);
  const lease = await takeLease({
    redis: commands,
    key: leaseKey(prefix, kind, host),
    agent: agentQueue(kind, host),
    machine: options.machine ?? (await thisMachine()),
    times: options.leaseTimes,
    onWait: options.onWait,
    log,
  });
  await reclaimJobs(agentQueue(kind, host), commands, prefix);

  async function carryOut(name: string, envelope: TaskEnvelope): Promise<unknown> {
    if (!(name in TASKS) || !(name in handlers))
      throw new TaskError('invalid', `this agent has no task ${name}`);
    await reach('agent.received', name);
    const task = name as TasksOf<K>;
    const input = TASKS[task].input.safeParse(envelope.input);
    if (!input.success)
      throw new TaskError('invalid', `task ${name}: ${input.error.issues[0]?.message ?? 'bad input'}`);
    // The task stays as it is, begun by somebody who has gone: when its lock has run out, whoever has the name now takes it up.
    if (!(await lease.sure())) await new Promise<never>(() => undefined);
    if (!(await journal.advance(envelope.volumeId, envelope.seq))) {
      throw new TaskError(
        'stale',
        `task ${name} (sequence ${envelope.seq}) is older than what was carried out since`,
      );
    }
    const context: TaskContext = { requestId: envelope.requestId, signal: stopping.signal };
    const handler = handlers[task] as (input: unknown, context: TaskContext) => Promise<unknown>;
    await reach('agent.journaled', name);
    const output = await handler(input.data, context);
    await reach('agent.effected', name);
    return output;
  }

  const records = new TaskRecords();
  async function perform(job: Job<TaskEnvelope>): Promise<unknown> {
    const id = job.id ?? '';
    const recorder = records.of(id);
    try {
      const output = await volumes.run(job.data.volumeId, () =>
        observed(job, recorder, () => carryOut(job.name, job.data)),
      );
      records.end(id);
      return { output, account: recorder.account() };
    } catch (error) {
      const failure = toJobError(error, recorder);
      if (!hasAnother(job, failure)) records.end(id);
      throw failure;
    }
  }

  const places = new Places(PLACES, PLACE_WITHIN_MS);
  async function performInPlace(job: Job<TaskEnvelope>, token: string | undefined): Promise<unknown> {
    const leave = await places.enter(backendsOf(job.data.input));
    if (leave === null) {
      // Where that fails the job is another's by now, or Redis is away: as it is, it is handed out again once its lock has run out.
      await job.moveToDelayed(systemClock.now() + PLACE_AGAIN_MS, token).catch(() => undefined);
      throw new DelayedError();
    }
    try {
      return await perform(job);
    } finally {
      leave();
    }
  }

  const runs = new SharedRuns<unknown>();
  const worker = new Worker<TaskEnvelope>(
    agentQueue(kind, host),
    (job, token) => runs.run(job.id ?? '', () => performInPlace(job, token)),
    {
      connection: commands,
      prefix,
      concurrency: IN_HAND,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: 1_000,
    },
  );
  worker.on('error', (error) => log(`queue: ${error.message}`));
  worker.on('failed', (job, error) =>
    log(
      `task=${job?.name ?? ''} job=${job?.id ?? ''} volume=${job?.data.volumeId ?? ''} request=${job?.data.requestId ?? ''} failed: ${splitAccount(error.message).failure}`,
    ),
  );

  async function reportNow(): Promise<void> {
    // While Redis is away reports would only pile up; the next one after its return says all.
    if (commands.status !== 'ready') return;
    try {
      if (!(await lease.sure())) return;
      const text = JSON.stringify(await options.report());
      await commands
        .pipeline()
        .set(reportKey(prefix, kind, host), text, 'EX', DOWN_AFTER_S)
        .publish(reportChannel(prefix, kind, host), text)
        .exec();
      countReport('sent');
    } catch (error) {
      countReport('failed');
      log(`report: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const timer = setInterval(() => void reportNow(), REPORT_EVERY_S * 1_000);
  // The next turn may be so late that this host counts as down meanwhile.
  commands.on('ready', () => void reportNow());
  const replaced = lease.lost.then((reason) => {
    clearInterval(timer);
    void worker.close(true);
    return reason;
  });
  await reportNow();

  return {
    replaced,
    reportNow,
    async stop() {
      clearInterval(timer);
      stopping.abort();
      // While Redis is away a worker closes only once it is back: that long nobody wants to wait.
      const idle = await atMost(STOP_MS, worker.close());
      // Not while a task goes on.
      if (idle && commands.status === 'ready') await atMost(RELEASE_MS, lease.release());
      await journal.close();
      leave();
      commands.disconnect();
    },
  };
}

/** `code: message`, as conductors read it; only `failed` is worth another attempt of the same job. */
function toJobError(error: unknown, recorder: Recorder): Error {
  const code = error instanceof TaskError ? error.code : 'failed';
  const message = error instanceof Error ? error.message : String(error);
  const text = withAccount(`${code}: ${recorder.clean(message, LONGEST_MESSAGE)}`, recorder.account());
  return code === 'failed' ? new Error(text) : new UnrecoverableError(text);
}

function hasAnother(job: Job, failure: Error): boolean {
  return !(failure instanceof UnrecoverableError) && job.attemptsMade + 1 < (job.opts.attempts ?? 1);
}
