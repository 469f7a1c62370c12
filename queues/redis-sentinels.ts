import type { RedisOptions } from 'ioredis';

/** Sentinel's own port (https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/). */
const SENTINEL_PORT = 26_379;

/**
 * Reads `redis://user:password@host:port/db?sentinel=NAME&sentinels=host:port,host:port`: the hosts are Sentinels, which say where
 * the master NAME is; account and database are the master's, and the Sentinels take the password too if they want one.
 * @returns undefined for a URL that names a Redis itself.
 */
export function sentinelOptions(text: string) {
  const url = new URL(text);
  const name = url.searchParams.get('sentinel');
  if (name === null) return undefined;
  const more = url.searchParams.get('sentinels')?.split(',') ?? [];
  const hosts = [url, ...more.map((host) => new URL(`redis://${host.trim()}`))];
  const password = decodeURIComponent(url.password);
  return {
    name,
    sentinels: hosts.map(({ hostname, port }) => ({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? SENTINEL_PORT : Number(port),
    })),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(password !== '' && { password, sentinelPassword: password }),
    db: Number(url.pathname.slice(1) || 0),
    // A master that hangs does not close its connections: when the Sentinels announce another one, go there.
    failoverDetector: true,
    // A former master that has become a replica refuses writes: connect anew, and send the command again.
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 2 : false),
    sentinelRetryStrategy: (attempt: number) => Math.min(attempt * 50, 1_000),
  } satisfies RedisOptions;
}
