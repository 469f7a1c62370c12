import { Redis } from 'ioredis';

/**
 * A connection that a worker or a listener waits on: commands are kept until Redis is back, for as long as it takes.
 * Errors are left to the callers' retry; without a listener ioredis would throw them.
 */
export function openRedis(url: string): Redis {
  return quiet(new Redis(url, { maxRetriesPerRequest: null, retryStrategy: backOff }));
}

/** A connection for callers that must not wait: while Redis is away, commands fail at once. */
export function openRedisFailFast(url: string): Redis {
  return quiet(
    new Redis(url, { maxRetriesPerRequest: 1, enableOfflineQueue: false, retryStrategy: backOff }),
  );
}

function backOff(attempt: number): number {
  return Math.min(attempt * 50, 1_000);
}

function quiet(redis: Redis): Redis {
  return redis.on('error', () => undefined);
}
