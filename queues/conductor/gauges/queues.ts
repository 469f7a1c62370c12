import type { Redis } from 'ioredis';
import type { Clock } from '#schema/clock.ts';
import { gauge } from '#telemetry/metrics.ts';

const depth = gauge({
  name: 'blockyard_queue_jobs',
  help: 'Jobs by queue: waiting for a worker, delayed until another attempt, or being worked on',
  labelNames: ['queue', 'state'],
});
const oldest = gauge({
  name: 'blockyard_queue_oldest_seconds',
  help: 'How long the job that is next has waited for a worker; 0 when none waits',
  labelNames: ['queue'],
});

/** @param names BullMQ's queues; their key layout is a documented one. */
export async function collectQueues(
  redis: Redis,
  prefix: string,
  names: readonly string[],
  clock: Clock,
): Promise<void> {
  // A command given to a Redis that is away would wait for it.
  if (redis.status !== 'ready') throw new Error('Redis does not answer');
  const pipeline = redis.pipeline();
  for (const name of names) {
    const key = `${prefix}:${name}`;
    pipeline.llen(`${key}:wait`).zcard(`${key}:prioritized`).zcard(`${key}:delayed`).llen(`${key}:active`);
    pipeline.lindex(`${key}:wait`, -1).zrange(`${key}:prioritized`, '0', '0');
  }
  const answers = ((await pipeline.exec()) ?? []).map(([, value]) => value);
  const times = redis.pipeline();
  for (const [index, name] of names.entries()) {
    const [wait, prioritized, delayed, active, next, nextByPriority] = answers.slice(
      index * 6,
      index * 6 + 6,
    );
    depth.set({ queue: name, state: 'waiting' }, Number(wait ?? 0) + Number(prioritized ?? 0));
    depth.set({ queue: name, state: 'delayed' }, Number(delayed ?? 0));
    depth.set({ queue: name, state: 'active' }, Number(active ?? 0));
    const job = (next as string | null) ?? (nextByPriority as string[] | null)?.[0] ?? '';
    times.hget(`${prefix}:${name}:${job}`, 'timestamp');
  }
  const stamps = ((await times.exec()) ?? []).map(([, value]) => value as string | null);
  for (const [index, name] of names.entries()) {
    const stamp = stamps[index];
    oldest.set({ queue: name }, stamp ? Math.max(0, clock.now() - Number(stamp)) / 1_000 : 0);
  }
}
