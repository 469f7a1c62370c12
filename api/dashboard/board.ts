import { setTimeout } from 'node:timers/promises';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { KoaAdapter } from '@bull-board/koa';
import { Queue } from 'bullmq';
import type Koa from 'koa';
import type { Kysely } from 'kysely';
import { agentQueue, OPERATIONS_QUEUE } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import type { Tables } from '#schema/tables.ts';
import { redact } from './redact.ts';

export interface BoardOptions {
  readonly db: Kysely<Tables>;
  readonly redisUrl: string;
  readonly prefix: string;
  /** `/dashboard` */
  readonly path: string;
}

export interface Board {
  readonly middleware: Koa.Middleware;
  /**
   * Looks for queues of agents that have appeared since.
   * @returns false while Redis does not answer.
   */
  refresh(): Promise<boolean>;
  close(): Promise<void>;
}

/** How long a browser waits for a Redis that is away. */
const PATIENCE_MS = 2_000;

/** Bull-board over every queue of this installation. It only shows: what failed is tried again by the conductor. */
export function createBoard({ db, redisUrl, prefix, path }: BoardOptions): Board {
  const connection = openRedis(redisUrl);
  const queues = new Map<string, Queue>();
  const serverAdapter = new KoaAdapter();
  serverAdapter.setBasePath(path);
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'Blockyard' } },
  });

  function show(name: string): void {
    if (queues.has(name)) return;
    const queue = new Queue(name, { connection, prefix, skipWaitingForReady: true });
    queue.on('error', () => undefined);
    queues.set(name, queue);
    const adapter = new BullMQAdapter(queue, { readOnlyMode: true });
    for (const field of ['data', 'returnValue', 'progress'] as const) adapter.setFormatter(field, redact);
    board.addQueue(adapter);
  }

  return {
    middleware: serverAdapter.registerPlugin(),
    async refresh() {
      const answered = connection.ping().then(() => true);
      if (!(await Promise.race([answered, setTimeout(PATIENCE_MS, false, { ref: false })]))) return false;
      show(OPERATIONS_QUEUE);
      const agents = await db
        .selectFrom('services')
        .select(['binary', 'agent'])
        .where('binary', '!=', 'blockyard-conductor')
        .execute();
      for (const { binary, agent } of agents) {
        show(agentQueue(binary === 'blockyard-compute' ? 'compute' : 'storage', agent));
      }
      return true;
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      connection.disconnect();
    },
  };
}
