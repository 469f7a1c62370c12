import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { Tables } from '#schema/tables.ts';
import { metricsAddress, type ProcessName } from '#telemetry/address.ts';
import { listenForScrapes } from '#telemetry/listener.ts';
import { startTracing } from '#telemetry/start-tracing.ts';
import { serverTroubles, watchServers } from './metrics.ts';
import { openRedis } from './redis.ts';
import { VERSION } from './system.ts';

interface Options {
  readonly process: ProcessName;
  /** Null for an agent, which has no database. */
  readonly db: Kysely<Tables> | null;
  readonly redisUrl: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Why the process cannot do its work though its servers answer; null when it can. */
  readonly trouble?: () => string | null;
  readonly log: (line: string) => void;
}

export interface ObservedProcess {
  /** For what is looked up at each scrape; null when nobody can scrape. */
  readonly redis: Redis | null;
  /** Sends the last spans. */
  stop(): Promise<void>;
}

/**
 * Has a process answer `/metrics`, `/healthz` and `/readyz`, and send spans where a collector is configured.
 * @throws Error that names the variable which is wrong.
 */
export async function observeProcess(options: Options): Promise<ObservedProcess> {
  const { process, db, variables, log } = options;
  const stopTracing = await startTracing(process, VERSION, variables);
  const address = metricsAddress(process, variables);
  const redis = address === null ? null : openRedis(options.redisUrl);
  watchServers(db, redis);
  const listener = await listenForScrapes({
    address,
    process,
    version: VERSION,
    // An api needs no Redis to accept: MySQL has the operation.
    troubles: async () => {
      const own = options.trouble?.() ?? null;
      const servers = await serverTroubles(db, process === 'api' ? null : redis);
      return own === null ? servers : [own, ...servers];
    },
    log,
  });
  return {
    redis,
    async stop() {
      listener.close();
      redis?.disconnect();
      await stopTracing();
    },
  };
}
