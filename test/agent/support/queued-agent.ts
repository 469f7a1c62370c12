import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue, QueueEvents } from 'bullmq';
import { startAgent } from '#agent/agent.ts';
import type { Handlers } from '#agent/handlers.ts';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { asId } from '#schema/ids.ts';
import { createRedis } from '#test/support/redis.ts';

/** A storage agent, and its queue as a conductor has it. */
interface QueuedAgent extends AsyncDisposable {
  readonly queue: Queue;
  readonly events: QueueEvents;
  readonly redis: ReturnType<typeof openRedis>;
}

export async function startQueuedAgent(
  handlers: Partial<Handlers<'storage'>>,
  log: (line: string) => void = () => undefined,
): Promise<QueuedAgent> {
  const { url, prefix } = await createRedis();
  const stateDir = await mkdtemp(join(tmpdir(), 'by-agent-'));
  const agent = await startAgent({
    kind: 'storage',
    host: asId('h1'),
    redisUrl: url,
    prefix,
    stateDir,
    handlers: handlers as Handlers<'storage'>,
    report: async () => {
      throw new Error('nothing to report');
    },
    log,
  });
  const [redis, listening] = [openRedis(url), openRedis(url)];
  const name = agentQueue('storage', asId('h1'));
  const queue = new Queue(name, { connection: redis, prefix });
  const events = new QueueEvents(name, { connection: listening, prefix });
  await events.waitUntilReady();
  return {
    queue,
    events,
    redis,
    async [Symbol.asyncDispose]() {
      await agent.stop();
      await events.close();
      await queue.close();
      for (const connection of [redis, listening]) connection.disconnect();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
