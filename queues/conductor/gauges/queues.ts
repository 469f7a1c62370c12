import type { Redis } from 'ioredis';
import type { Clock } from '#schema/clock.ts';
import { gauge } from '#telemetry/metrics.ts';
import { queueDepths } from '../../queue-depths.ts';

const jobs = gauge({
  name: 'blockyard_queue_jobs',
  help: 'Jobs by queue: waiting for a worker, delayed until another attempt, or being worked on',
  labelNames: ['queue', 'state'],
});
const oldest = gauge({
  name: 'blockyard_queue_oldest_seconds',
  help: 'How long the job that is next has waited for a worker; 0 when none waits',
  labelNames: ['queue'],
});

export async function collectQueues(
  redis: Redis,
  prefix: string,
  names: readonly string[],
  clock: Clock,
): Promise<void> {
  for (const depth of await queueDepths(redis, prefix, names)) {
    const { queue } = depth;
    for (const state of ['waiting', 'delayed', 'active'] as const) jobs.set({ queue, state }, depth[state]);
    oldest.set({ queue }, depth.oldest === null ? 0 : Math.max(0, clock.now() - depth.oldest) / 1_000);
  }
}
