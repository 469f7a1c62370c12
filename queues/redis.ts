import { Redis } from 'ioredis';
import { countReconnections } from './metrics.ts';
import { replicasBehind } from './redis-replicas.ts';
import { sentinelOptions } from './redis-sentinels.ts';
import { tlsFiles } from './tls.ts';

/**
 * A connection that outlives Redis: commands wait until it is back, for as long as it takes. BullMQ needs that (a
 * queue whose first command fails stays broken); who must not wait looks at `status` first. Without a listener
 * ioredis would throw connection errors.
 */
export function openRedis(url: string): Redis {
  const { url: plain, tls } = tlsFiles(url);
  const secure = url.startsWith('rediss:') ? { tls } : {};
  const options = { ...secure, maxRetriesPerRequest: null, retryStrategy: backOff };
  const sentinels = sentinelOptions(plain);
  const redis =
    sentinels === undefined
      ? new Redis(plain, options)
      : new Redis({
          ...sentinels,
          ...options,
          ...('tls' in secure && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
        });
  countReconnections(redis);
  const { host } = new URL(url);
  return redis.on('error', (error) => {
    tell(host, error);
    if (error.message.startsWith('All sentinels are unreachable')) void askSentinels(host, url);
  });
}

const asking = new Set<string>();

/** ioredis says that no Sentinel can be reached, but not why. */
async function askSentinels(host: string, url: string): Promise<void> {
  if (asking.has(host)) return;
  asking.add(host);
  await replicasBehind(url).catch((error: Error) => tell(host, error));
  asking.delete(host);
}

function backOff(attempt: number): number {
  return Math.min(attempt * 50, 1_000);
}

/** Trouble that waiting does not mend: whom we must not trust, or who does not let us in. */
const LASTING = /^(?:WRONGPASS|NOAUTH|NOPERM)|certificate|altname|\bSSL\b|\bTLS\b/i;
const told = new Set<string>();

/** Says it once. An outage is not told: there are many connections, and all of them try again. */
function tell(host: string, error: Error): void {
  const line = `Redis at ${host}: ${error.message}`;
  if (!LASTING.test(error.message) || told.has(line)) return;
  told.add(line);
  console.error(line);
}
