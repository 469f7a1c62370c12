import type { Redis } from 'ioredis';
import { type Kysely, sql } from 'kysely';
import { counter, gauge, histogram, onScrape, QUICK_BUCKETS } from '#telemetry/metrics.ts';

const queries = histogram({
  name: 'blockyard_database_query_duration_seconds',
  help: 'Time until MySQL had answered a packet of statements',
  buckets: QUICK_BUCKETS,
});
const up = gauge({
  name: 'blockyard_dependency_up',
  help: '1 while the server answers this process',
  labelNames: ['server'],
});
const redisPing = gauge({
  name: 'blockyard_redis_ping_seconds',
  help: 'Time that Redis took for a PING, just now',
});
const reconnections = counter({
  name: 'blockyard_redis_reconnections_total',
  help: 'Attempts to reach a Redis that had gone',
});

export function observeQuery(ms: number): void {
  queries.observe(ms / 1_000);
}

export function countReconnections(redis: Redis): void {
  redis.on('reconnecting', () => reconnections.inc());
}

const PING_MS = 2_000;

/** Rejects unless MySQL answers. */
async function pingDatabase<DB>(db: Kysely<DB>): Promise<void> {
  await sql`SELECT 1`.execute(db);
}

/** Rejects unless Redis answers soon: a command given to one that is away would wait for it. */
async function pingRedis(redis: Redis): Promise<void> {
  if (redis.status !== 'ready') throw new Error('Redis does not answer');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('Redis does not answer')), PING_MS);
  });
  try {
    await Promise.race([redis.ping(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Has each scrape look whether the servers that this process works with answer. */
export function watchServers<DB>(db: Kysely<DB> | null, redis: Redis | null): void {
  if (db !== null)
    onScrape('database', async () => {
      up.set({ server: 'mysql' }, 0);
      await pingDatabase(db);
      up.set({ server: 'mysql' }, 1);
    });
  if (redis !== null)
    onScrape('redis', async () => {
      up.set({ server: 'redis' }, 0);
      const began = performance.now();
      await pingRedis(redis);
      redisPing.set((performance.now() - began) / 1_000);
      up.set({ server: 'redis' }, 1);
    });
}

/** What keeps a process from its work: the servers that do not answer it. */
export async function serverTroubles<DB>(
  db: Kysely<DB> | null,
  redis: Redis | null,
): Promise<readonly string[]> {
  const none = Promise.resolve(true);
  const [mysql, queue] = await Promise.all([
    db === null ? none : answers(pingDatabase(db)),
    redis === null ? none : answers(pingRedis(redis)),
  ]);
  return [...(mysql ? [] : ['MySQL does not answer']), ...(queue ? [] : ['Redis does not answer'])];
}

function answers(ping: Promise<void>): Promise<boolean> {
  return ping.then(
    () => true,
    () => false,
  );
}
