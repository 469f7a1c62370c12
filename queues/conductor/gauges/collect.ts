import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import { onScrape } from '#telemetry/metrics.ts';
import { OPERATIONS_QUEUE } from '../../names.ts';
import { collectCapacity, collectStatuses } from './capacity.ts';
import { collectOperations } from './operations.ts';
import { collectQueues } from './queues.ts';
import { collectServices } from './services.ts';
import { collectWaiting } from './waiting.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly redis: Redis;
  readonly prefix: string;
  readonly clock: Clock;
}

/**
 * Has each scrape read what is true of the whole installation, not of one process. Every conductor tells it: take the
 * maximum over them, not the sum.
 */
export function watchInstallation({ db, redis, prefix, clock }: Deps): void {
  let agents: readonly string[] = [];
  onScrape('operations', () => collectOperations(db, clock));
  onScrape('waiting', () => collectWaiting(db, clock));
  onScrape('capacity', () => collectCapacity(db));
  onScrape('statuses', () => collectStatuses(db));
  onScrape('services', async () => {
    agents = await collectServices(db, clock);
  });
  // A queue that has just appeared is told of at the next scrape; the others also while MySQL is away.
  onScrape('queues', () => collectQueues(redis, prefix, [OPERATIONS_QUEUE, ...agents], clock));
}
