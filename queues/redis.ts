import { Redis } from 'ioredis';
import { countReconnections } from './metrics.ts';
import { sentinelOptions } from './redis-sentinels.ts';

/**
 * A connection that outlives Redis: commands wait until it is back, for as long as it takes. BullMQ needs that (a
 * queue whose first command fails stays broken); who must not wait looks at `status` first. Without a listener
 * ioredis would throw connection errors.
 */
export function openRedis(url: string): Redis {
  const options = { maxRetriesPerRequest: null, retryStrategy: backOff };
  const sentinels = sentinelOptions(url);
  const redis = sentinels === undefined ? new Redis(url, options) : new Redis({ ...sentinels, ...options });
  countReconnections(redis);
  return redis.on('error', () => undefined);
}

function backOff(attempt: number): number {
  return Math.min(attempt * 50, 1_000);
}
