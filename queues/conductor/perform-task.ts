import type { Selectable } from 'kysely';
import type { TaskAccount } from '#schema/accounts.ts';
import type { HostName } from '#schema/ids.ts';
import type { OperationsTable } from '#schema/tables.ts';
import { type AgentKind, TaskError, type TaskName } from '#schema/tasks.ts';
import { currentTrace, inSpan, spanIdOf } from '#telemetry/tracing.ts';
import { agentQueue } from '../names.ts';
import { reach } from '../stopping-points.ts';
import type { EngineDeps } from './deps.ts';
import type { WhenDown } from './dispatcher.ts';
import { inColumn } from './in-column.ts';
import { stepEnded } from './metrics.ts';
import type { StepRecord, Timeline } from './timeline.ts';

/** A step that lasts longer shows in the timeline as running, so that one can see what an operation waits for. */
const SHOW_AFTER_MS = 100;

interface Performance {
  readonly name: string;
  readonly direction: 'do' | 'undo';
  readonly on: AgentKind;
  readonly task: TaskName;
  readonly call: { readonly host: HostName; readonly input: unknown };
  readonly operation: Selectable<OperationsTable>;
  readonly epoch: number;
  /** Which of the operation's sequence numbers this step has. */
  readonly offset: number;
  readonly withinMs: number | undefined;
  readonly whenDown: WhenDown;
  /** Named after the volume: whatever shares the name waits for one another at the agent. */
  readonly lane: string | undefined;
}

interface Stage {
  readonly dispatcher: EngineDeps['dispatcher'];
  readonly timeline: Timeline;
  readonly now: () => string;
}

/** Has an agent carry out one step and records how it went. @throws TaskError */
export function performTask(stage: Stage, step: Performance, save: () => Promise<void>): Promise<unknown> {
  const place = stage.timeline.place(step.name, step.direction);
  return inSpan(
    () => ({
      name: `step ${step.name}`,
      // Should this conductor die, whoever runs the step again tells of the span that the agent's are part of.
      id: spanIdOf(`${step.operation.id} ${place.position}`),
      attributes: {
        'blockyard.task': step.task,
        'blockyard.direction': step.direction,
        'blockyard.host': step.call.host,
        'blockyard.attempt': place.attempt,
      },
    }),
    () => carryOut(stage, step, place, save),
  );
}

async function carryOut(
  stage: Stage,
  step: Performance,
  place: ReturnType<Timeline['place']>,
  save: () => Promise<void>,
): Promise<unknown> {
  const { name, direction, operation, call } = step;
  const seq = operation.seq_base + step.offset;
  const held = operation.backup_id ?? operation.volume_id;
  const line = step.lane === undefined ? held : `${held}.${step.lane}`;
  const record = { ...place, name, direction, host: call.host, started_at: stage.now() };
  const began = performance.now();
  let account: TaskAccount | undefined;
  const howItWent = (outcome: string): Pick<StepRecord, 'wait_ms' | 'commands'> => {
    const ms = performance.now() - began;
    const record = told(account, ms);
    const { task, on: agent } = step;
    stepEnded({ task, agent, host: call.host, outcome, ms, waitMs: record.wait_ms ?? null });
    return record;
  };
  const trace = currentTrace();
  let shown: Promise<void> | undefined;
  const timer = setTimeout(() => {
    stage.timeline.record({ ...record, state: 'running', output: null, error: null, ended_at: null });
    // What matters is written when the step ends; if MySQL is away, that write will say so.
    shown = save().catch(() => undefined);
  }, SHOW_AFTER_MS);
  try {
    const output = await stage.dispatcher.run(
      {
        queue: agentQueue(step.on, call.host),
        jobId: `${operation.id}.${step.epoch}.${seq}.${place.attempt}`,
        task: step.task,
        project: operation.project_id,
        ...(step.lane !== undefined && { lane: step.lane }),
        envelope: {
          volumeId: line,
          seq,
          requestId: operation.request_id,
          ...(trace !== null && { traceparent: trace }),
          input: call.input,
        },
        told(itsAccount) {
          account = itsAccount;
        },
      },
      step.withinMs,
      step.whenDown,
    );
    await reach('conductor.answered', step.task);
    await shown;
    stage.timeline.record({
      ...record,
      state: 'done',
      output: JSON.stringify(output),
      error: null,
      ended_at: stage.now(),
      ...howItWent('done'),
    });
    return output;
  } catch (error) {
    await shown;
    if (error instanceof TaskError) {
      stage.timeline.record({
        ...record,
        state: 'failed',
        output: null,
        error: inColumn(error.message),
        ended_at: stage.now(),
        ...howItWent(error.code),
      });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What of the time was waiting: in the queue, behind other tasks of the volume, and between attempts. Two clocks are not
 * compared for it, each only measures a time of its own.
 */
function told(account: TaskAccount | undefined, elapsedMs: number): Pick<StepRecord, 'wait_ms' | 'commands'> {
  if (account === undefined) return { wait_ms: null, commands: null };
  const { ran_ms, commands, omitted } = account;
  return {
    wait_ms: Math.max(0, Math.round(elapsedMs - ran_ms)),
    commands: JSON.stringify({ commands, omitted }),
  };
}
