import { counter, DURATION_BUCKETS, gauge, histogram } from '#telemetry/metrics.ts';

const durations = histogram({
  name: 'blockyard_agent_task_duration_seconds',
  help: 'Time that this agent was at an attempt of a task',
  labelNames: ['task', 'outcome'],
  buckets: DURATION_BUCKETS,
});
const atWork = gauge({ name: 'blockyard_agent_tasks_running', help: 'Tasks that this agent is at' });
const commands = histogram({
  name: 'blockyard_command_duration_seconds',
  help: 'Time of a program, a virsh command, a request to tgtd, or calls to configfs',
  labelNames: ['program', 'outcome'],
  buckets: DURATION_BUCKETS,
});
const reports = counter({
  name: 'blockyard_agent_reports_total',
  help: 'Reports that this agent has sent or could not send',
  labelNames: ['outcome'],
});

/** Counts a task. @returns to be called when the attempt has ended. */
export function countTask(task: string): (outcome: string) => void {
  const began = performance.now();
  atWork.inc();
  return (outcome) => {
    atWork.dec();
    durations.observe({ task, outcome }, (performance.now() - began) / 1_000);
  };
}

export function countCommand(program: string, outcome: 'done' | 'failed', ms: number): void {
  commands.observe({ program, outcome }, ms / 1_000);
}

export function countReport(outcome: 'sent' | 'failed'): void {
  reports.inc({ outcome });
}
