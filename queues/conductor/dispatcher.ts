import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { splitAccount, type TaskAccount, taskResult } from '#schema/accounts.ts';
import { backendsOf } from '#schema/backends-of.ts';
import { LONGEST_TIMER_MS } from '#schema/copying.ts';
import type { OperationId } from '#schema/ids.ts';
import {
  TASK_ERROR_CODES,
  TASKS,
  type TaskEnvelope,
  TaskError,
  type TaskErrorCode,
  type TaskName,
} from '#schema/tasks.ts';
import { openRedis } from '../redis.ts';
import { reach } from '../stopping-points.ts';
import { FairLine } from './fair-line.ts';
import { HostDown } from './host-down.ts';
import type { Liveness } from './liveness.ts';
import { lineChanged } from './metrics.ts';
import type { Reseal } from './reseal.ts';
import { type Result, readResults } from './results.ts';
import { withdrawJob } from './withdraw.ts';

/** One task for one agent. */
export interface Dispatch {
  readonly queue: string;
  /** Unique for operation, step and epoch: adding it again is a no-op while the job exists. */
  readonly jobId: string;
  readonly task: TaskName;
  readonly envelope: TaskEnvelope;
  /** Those of a lane have a line of their own at each back end, and fewer places: they may last hours. */
  readonly lane?: string;
  /** Projects take turns at an agent; our own upkeep takes turns with them. */
  readonly project?: string;
  /** Hears how the agent carried it out, before `run` ends. */
  readonly told?: (account: TaskAccount) => void;
}

/**
 * `fail`: it fails; `fail-unless-begun`: it fails when the agent never saw it, and is waited for otherwise, its time being up
 * or not.
 */
export type WhenDown = 'wait' | 'fail' | 'fail-unless-begun';

export interface Dispatcher {
  /**
   * Puts the task on the agent's queue and waits for its end. `withinMs` undefined waits for ever; otherwise the agent has
   * that long, and longer only while nobody knows whether it is down (Redis is away), from whose return on it has as long again.
   * @param whenDown what becomes of the task once its host is known to be down. Default `wait`.
   * @throws HostDown; TaskError with the agent's own words, or `failed` when time is up (the job is then withdrawn if no
   * agent has begun it).
   */
  run(dispatch: Dispatch, withinMs: number | undefined, whenDown?: WhenDown): Promise<unknown>;
  /** Ends the waiting for this operation's tasks with `reason`, and withdraws those that no agent has begun. */
  release(id: OperationId, reason: Error): void;
  /** Finds jobs that Redis has lost and adds them again, and ends whose event was missed. */
  check(): Promise<void>;
  /** Ends all waiting with `reason`; the tasks go on, and whoever takes their operations up finds them. */
  abandon(reason: Error): void;
  close(): Promise<void>;
}

interface Waiter {
  readonly dispatch: Dispatch;
  readonly since: number;
  /** False while it waits for its turn: Redis knows nothing of it yet. */
  sent: boolean;
  /** When to look next what became of the job. */
  nextLook: number;
  /** Redis has lost it, or may have: what it shows of the job by now does not tell whether an agent has begun it. */
  doubtful: boolean;
  /** It is missing from Redis by our own doing. */
  takingBack: boolean;
  settle(result: Result): void;
  abandon(reason: Error): void;
  /** Fails it when its host is down and it need not be waited for. */
  look(): Promise<void>;
}

const JOB_OPTIONS = {
  attempts: 4,
  backoff: { type: 'exponential', delay: 300 },
  // Its end is in the event stream, and should that be missed, a task may simply run again.
  removeOnComplete: true,
  removeOnFail: { count: 100 },
} as const;

/** Jobs younger than this are not looked for: their events are on their way. Older ones ever more rarely. */
const SETTLED_MS = 1_500;
const LOOK_AT_LEAST_EVERY_MS = 15_000;
/** Whose time is up although its host is neither known to be up nor to be down has this much more, again and again. */
const UNKNOWN_MORE_MS = 2_000;

/**
 * Tasks on one agent's queue at once that are about one back end, and of these one project's. Agents carry out 32 of each at a time: a
 * project alone leaves some of these free for others, and a back end whose disks are silent keeps no other's waiting.
 */
const AT_A_BACKEND = { total: 64, perKey: 24 } as const;

/** Of a lane: what lasts for hours must not take all of these places. */
const AT_A_BACKEND_IN_A_LANE = { total: 6, perKey: 3 } as const;

/** @param reseal has only the agent that a task goes to be able to open its secrets. */
export function createDispatcher(
  redisUrl: string,
  prefix: string,
  now: () => number,
  liveness: Liveness,
  reseal: Reseal,
): Dispatcher {
  const commands = openRedis(redisUrl);
  const queues = new Map<string, Queue>();
  const waiters = new Map<string, Waiter>();
  const lines = new Map<string, FairLine>();
  let abandoned: Error | undefined;
  doubtAfterLoss(commands, waiters);
  const results = readResults(redisUrl, prefix, commands, (queue, jobId, result) => {
    const waiter = waiters.get(jobId);
    // Ids can be guessed: an agent ends the jobs of its own queue, and no others.
    if (waiter?.dispatch.queue === queue) waiter.settle(result);
  });

  function queueOf(name: string): Queue {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, { connection: commands, prefix });
    queue.on('error', () => undefined);
    queues.set(name, queue);
    return queue;
  }

  function lineOf({ queue, lane, envelope }: Dispatch): FairLine {
    const name = [queue, lane ?? '', backendsOf(envelope.input)].join(' ');
    const line = lines.get(name) ?? new FairLine(lane === undefined ? AT_A_BACKEND : AT_A_BACKEND_IN_A_LANE);
    lines.set(name, line);
    return line;
  }

  async function add(waiter: Waiter): Promise<void> {
    const { queue, jobId, task, envelope } = waiter.dispatch;
    await results.listen(queue);
    // Given up meanwhile: nobody would hear of it.
    if (waiters.get(jobId) !== waiter) return;
    await queueOf(queue).add(task, reseal(queue, envelope), { ...JOB_OPTIONS, jobId });
    await reach('conductor.dispatched', task);
  }

  async function withdraw({ queue, jobId }: Dispatch): Promise<void> {
    // A job that an agent holds can't be removed; the next task's higher sequence number disarms it.
    await withdrawJob(commands, prefix, queue, jobId).catch(() => undefined);
  }

  /** Takes it back; true when no agent can ever have seen it. */
  async function withdrawUntouched(waiter: Waiter): Promise<boolean> {
    const { queue, jobId } = waiter.dispatch;
    waiter.takingBack = true;
    try {
      return (await withdrawJob(commands, prefix, queue, jobId, 0)) && !waiter.doubtful;
    } finally {
      waiter.takingBack = false;
    }
  }

  /** What became of a job whose event did not come. */
  async function checkOne(waiter: Waiter): Promise<void> {
    const { queue, jobId } = waiter.dispatch;
    const fields = ['name', 'finishedOn', 'failedReason', 'returnvalue'] as const;
    const [name, finishedOn, failedReason, returnvalue] = await commands.hmget(
      queueOf(queue).toKey(jobId),
      ...fields,
    );
    if (name == null) {
      // Withdrawn while we looked: then it is gone on purpose.
      if (waiters.get(jobId) !== waiter || waiter.takingBack) return undefined;
      waiter.doubtful = true;
      return add(waiter).catch((error: unknown) => {
        if (!(error instanceof TaskError)) throw error;
        waiter.abandon(error);
      });
    }
    if (finishedOn == null) return undefined;
    if (failedReason) waiter.settle({ ok: false, reason: failedReason });
    else waiter.settle({ ok: true, value: returnvalue ?? 'null' });
    return undefined;
  }

  return {
    async run(dispatch, withinMs, whenDown = 'wait') {
      if (abandoned !== undefined) throw abandoned;
      if (whenDown !== 'wait' && liveness.of(dispatch.queue) === 'down')
        throw new HostDown(liveness.words(dispatch.queue), false);
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const began = now();
      const waiter: Waiter = {
        dispatch,
        since: began,
        sent: false,
        nextLook: began + SETTLED_MS,
        doubtful: false,
        takingBack: false,
        abandon: reject,
        async look() {
          if (whenDown === 'wait' || liveness.of(dispatch.queue) !== 'down') return;
          if (waiter.doubtful && whenDown === 'fail-unless-begun') return;
          const begun = waiter.sent && !(await withdrawUntouched(waiter));
          if (begun && whenDown === 'fail-unless-begun') return;
          reject(new HostDown(liveness.words(dispatch.queue), begun));
        },
        settle(result) {
          try {
            resolve(outputOf(result, dispatch));
          } catch (error) {
            reject(error);
          }
        },
      };
      waiters.set(dispatch.jobId, waiter);
      let timer: NodeJS.Timeout | undefined;
      const again = (ms: number): void => {
        timer = setTimeout(() => void expire().catch(later), Math.min(ms, LONGEST_TIMER_MS));
      };
      const later = (): void => again(UNKNOWN_MORE_MS);
      const expire = async (): Promise<void> => {
        if (waiters.get(dispatch.jobId) !== waiter) return;
        if (liveness.of(dispatch.queue) === 'unknown') return later();
        // While Redis was away the agent could neither be asked nor answer: none of its time is that.
        const left = liveness.deafUntil + (withinMs ?? 0) - now();
        if (left > 0) return again(left);
        // What an agent may have done already, and nobody can undo, ends when the agent says so.
        if (whenDown === 'fail-unless-begun' && (waiter.doubtful || !(await withdrawUntouched(waiter))))
          return;
        void withdraw(dispatch);
        reject(
          new TaskError('failed', `${dispatch.queue} did not answer within ${(withinMs ?? 0) / 1_000} s`),
        );
      };
      lineChanged(dispatch.queue, 1);
      const place = lineOf(dispatch).enter(dispatch.project ?? '', () => {
        waiter.sent = true;
        lineChanged(dispatch.queue, -1);
        waiter.nextLook = now() + SETTLED_MS;
        if (withinMs !== undefined) again(withinMs);
        // Redis away: the connection keeps the command; `check` adds it again if it got lost all the same.
        add(waiter).catch((error: unknown) => {
          if (error instanceof TaskError) reject(error);
        });
      });
      try {
        return await promise;
      } finally {
        place.leave();
        if (!waiter.sent) lineChanged(dispatch.queue, -1);
        clearTimeout(timer);
        waiters.delete(dispatch.jobId);
      }
    },

    async check() {
      const time = now();
      const due = [...waiters.values()].filter(({ sent, nextLook }) => sent && nextLook < time);
      for (const waiter of due) {
        waiter.nextLook = time + Math.min(time - waiter.since, LOOK_AT_LEAST_EVERY_MS);
      }
      await Promise.all(due.map(checkOne));
      await Promise.all([...waiters.values()].map((waiter) => waiter.look()));
    },

    release(id, reason) {
      for (const waiter of waiters.values()) {
        if (!waiter.dispatch.jobId.startsWith(`${id}.`)) continue;
        void withdraw(waiter.dispatch);
        waiter.abandon(reason);
      }
    },

    abandon(reason) {
      abandoned = reason;
      for (const waiter of waiters.values()) waiter.abandon(reason);
    },

    async close() {
      await results.close();
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      commands.disconnect();
    },
  };
}

/**
 * Redis may come back from an older file, or as a replica that was behind: then a job that an agent had begun may lie there as if
 * none had. Whoever waited when the connection broke takes it for begun: undoing what was not done does no harm.
 */
function doubtAfterLoss(commands: Redis, waiters: ReadonlyMap<string, Waiter>): void {
  let connected = false;
  commands.on('ready', () => (connected = true));
  commands.on('close', () => {
    if (connected) for (const waiter of waiters.values()) waiter.doubtful ||= waiter.sent;
    connected = false;
  });
}

/** @throws TaskError when the task failed, or its answer is none. */
function outputOf(result: Result, { told, queue, task }: Dispatch): unknown {
  if (result.ok) {
    const answer = taskResult.safeParse(parseJson(result.value));
    const output = TASKS[task].output.safeParse(answer.data?.output);
    if (!answer.success || !output.success)
      throw new TaskError('failed', `${queue} gave an answer that is none`);
    told?.(answer.data.account);
    return output.data;
  }
  const { failure, account } = splitAccount(result.reason);
  if (account !== null) told?.(account);
  throw parseFailure(failure);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** `code: message`, as agents write it; anything else (a stalled job, say) is `failed`. */
function parseFailure(reason: string): TaskError {
  const at = reason.indexOf(': ');
  const code = reason.slice(0, at);
  return (TASK_ERROR_CODES as readonly string[]).includes(code)
    ? new TaskError(code as TaskErrorCode, reason.slice(at + 2))
    : new TaskError('failed', reason);
}
