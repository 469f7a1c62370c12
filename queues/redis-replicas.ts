import { Redis } from 'ioredis';
import { sentinelOptions } from './redis-sentinels.ts';
import { tlsFiles } from './tls.ts';

/** How long one Sentinel may take. */
const ANSWER_MS = 5_000;

/**
 * The replicas of a Redis behind Sentinels, each by a URL of its own with the same account, TLS files and database. Redis does not
 * replicate its users: whoever changes them has to go to each.
 * @returns none for a URL that names a Redis itself.
 * @throws Error with the last Sentinel's reason when none says which there are.
 */
export async function replicasBehind(url: string): Promise<string[]> {
  const { url: plain, tls } = tlsFiles(url);
  const options = sentinelOptions(plain);
  if (options === undefined) return [];
  let reason = '';
  for (const { host, port } of options.sentinels) {
    const sentinel = new Redis({
      host,
      port,
      ...('sentinelPassword' in options && { password: options.sentinelPassword }),
      ...(url.startsWith('rediss:') && { tls }),
      lazyConnect: true,
      connectTimeout: ANSWER_MS,
      commandTimeout: ANSWER_MS,
      retryStrategy: () => null,
    });
    sentinel.on('error', (error: Error) => {
      reason = error.message;
    });
    try {
      await sentinel.connect();
      const told = (await sentinel.call('SENTINEL', 'REPLICAS', options.name)) as string[][];
      return told.map((fields) => replicaUrl(url, fields));
    } catch (error) {
      reason ||= error instanceof Error ? error.message : String(error);
    } finally {
      sentinel.disconnect();
    }
  }
  throw new Error(`no Sentinel answers: ${reason}`);
}

/** @param fields name, value, name, value … */
function replicaUrl(url: string, fields: readonly string[]): string {
  const own = new URL(url);
  const valueOf = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
  const host = valueOf('ip');
  own.hostname = host.includes(':') ? `[${host}]` : host;
  own.port = valueOf('port');
  for (const name of ['sentinel', 'sentinels']) own.searchParams.delete(name);
  return own.href;
}
