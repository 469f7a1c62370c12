import type { Redis } from 'ioredis';

export interface QueueDepth {
  readonly queue: string;
  /** Jobs that wait for a worker. */
  readonly waiting: number;
  /** Jobs that failed and will be tried again. */
  readonly delayed: number;
  /** Jobs that are being worked on. */
  readonly active: number;
  /** When the job that is next was added, in milliseconds since the epoch; null when none waits. */
  readonly oldest: number | null;
}

const PER_QUEUE = 6;

/**
 * How much there is in each of these queues. Source: BullMQ's key layout (docs.bullmq.io/guide/redis-tm-compatibility, and its
 * `scripts`: the list `wait` is taken from its right end, the sorted set `prioritized` from its beginning).
 * @throws Error while Redis is away.
 */
export async function queueDepths(
  redis: Redis,
  prefix: string,
  queues: readonly string[],
): Promise<QueueDepth[]> {
  // A command given to a Redis that is away would wait for it.
  if (redis.status !== 'ready') throw new Error('Redis does not answer');
  const pipeline = redis.pipeline();
  for (const queue of queues) {
    const key = `${prefix}:${queue}`;
    pipeline.llen(`${key}:wait`).zcard(`${key}:prioritized`).zcard(`${key}:delayed`).llen(`${key}:active`);
    pipeline.lindex(`${key}:wait`, -1).zrange(`${key}:prioritized`, '0', '0');
  }
  const answers = ((await pipeline.exec()) ?? []).map(([, value]) => value);
  const jobs = redis.pipeline();
  const counted = queues.map((queue, index) => {
    const [wait, prioritized, delayed, active, next, nextByPriority] = answers.slice(
      index * PER_QUEUE,
      (index + 1) * PER_QUEUE,
    );
    const job = (next as string | null) ?? (nextByPriority as string[] | null)?.[0] ?? '';
    jobs.hget(`${prefix}:${queue}:${job}`, 'timestamp');
    const waiting = Number(wait ?? 0) + Number(prioritized ?? 0);
    return { queue, waiting, delayed: Number(delayed ?? 0), active: Number(active ?? 0) };
  });
  const stamps = ((await jobs.exec()) ?? []).map(([, value]) => value as string | null);
  return counted.map((depth, index) => {
    const stamp = stamps[index];
    return { ...depth, oldest: stamp ? Number(stamp) : null };
  });
}
