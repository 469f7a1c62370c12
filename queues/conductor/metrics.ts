import type { OperationKind } from '#schema/operations.ts';
import type { OperationState } from '#schema/states.ts';
import type { AgentKind, TaskName } from '#schema/tasks.ts';
import { counter, DURATION_BUCKETS, gauge, histogram } from '#telemetry/metrics.ts';

const operations = histogram({
  name: 'blockyard_operation_duration_seconds',
  help: 'From the request to the end of an operation that this conductor has ended',
  labelNames: ['kind', 'outcome'],
  buckets: DURATION_BUCKETS,
});
const steps = counter({
  name: 'blockyard_steps_total',
  help: 'Tasks that hosts have carried out or failed, as this conductor saw them',
  labelNames: ['task', 'host', 'outcome'],
});
const durations = histogram({
  name: 'blockyard_step_duration_seconds',
  help: 'Time that a task took, waiting included',
  labelNames: ['task', 'outcome'],
  buckets: DURATION_BUCKETS,
});
const waits = histogram({
  name: 'blockyard_step_wait_seconds',
  help: 'Of that: in the queue, behind other tasks of the volume, and between attempts',
  labelNames: ['agent'],
  buckets: DURATION_BUCKETS,
});
const takenOver = counter({
  name: 'blockyard_operations_taken_over_total',
  help: 'Operations that this conductor went on with after another had let go of them',
});

const inLine = gauge({
  name: 'blockyard_tasks_in_line',
  help: 'Tasks that this conductor holds back until it is their project’s turn at the agent',
  labelNames: ['queue'],
});

/** A task has joined (1) or left (-1) the line before an agent's queue. */
export function lineChanged(queue: string, by: 1 | -1): void {
  inLine.inc({ queue }, by);
}

export function operationEnded(
  kind: OperationKind,
  outcome: Extract<OperationState, 'done' | 'undone' | 'stuck'>,
  ms: number,
): void {
  operations.observe({ kind, outcome }, Math.max(0, ms) / 1_000);
}

export function operationTakenOver(): void {
  takenOver.inc();
}

export interface EndedStep {
  readonly task: TaskName;
  readonly agent: AgentKind;
  readonly host: string;
  /** `done`, or the word that the task failed with. */
  readonly outcome: string;
  readonly ms: number;
  readonly waitMs: number | null;
}

export function stepEnded({ task, agent, host, outcome, ms, waitMs }: EndedStep): void {
  steps.inc({ task, host, outcome });
  durations.observe({ task, outcome }, ms / 1_000);
  if (waitMs !== null) waits.observe({ agent }, waitMs / 1_000);
}
