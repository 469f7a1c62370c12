import type { Job } from 'bullmq';
import { type TaskEnvelope, TaskError } from '#schema/tasks.ts';
import { logger } from '#telemetry/log-levels.ts';
import { currentSpan, inSpan, parseTraceparent, pastSpan } from '#telemetry/tracing.ts';
import { countTask } from './metrics.ts';
import type { Recorder } from './recorder.ts';
import { recordingTo } from './recording.ts';

const LONGEST_ERROR = 1_000;

const taskLog = logger('blockyard.tasks');

/** One attempt of a task, as its timeline, the metrics and the request's trace tell of it. */
export function observed<T>(job: Job<TaskEnvelope>, recorder: Recorder, work: () => Promise<T>): Promise<T> {
  const parent = parseTraceparent(job.data.traceparent) === null ? null : (job.data.traceparent ?? null);
  // The conductor's clock said when it was added; how long it waited is exact only where the clocks agree.
  if (parent !== null && job.attemptsMade === 0)
    pastSpan(
      () => ({ name: 'queue wait', parent }),
      job.timestamp,
      performance.timeOrigin + performance.now(),
    );
  const describe = () => ({
    name: `task ${job.name}`,
    parent,
    attributes: { 'blockyard.job': job.id ?? '', 'blockyard.attempt': job.attemptsMade + 1 },
    saysWhy: true as const,
  });
  return inSpan(describe, async () => {
    const ended = countTask(job.name);
    taskLog.debug(() => `${job.name} ${job.id} volume ${job.data.volumeId} begins`);
    try {
      const result = await recorder.attempt(() => recordingTo(recorder, work));
      ended('done');
      taskLog.debug(() => `${job.name} ${job.id} is done`);
      return result;
    } catch (error) {
      ended(error instanceof TaskError ? error.code : 'failed');
      const message = error instanceof Error ? error.message : String(error);
      currentSpan()?.fail(recorder.clean(message, LONGEST_ERROR));
      throw error;
    }
  });
}
