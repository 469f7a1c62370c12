import { Queue, QueueEvents } from 'bullmq';
import { splitAccount } from '#schema/accounts.ts';
import type { Clock } from '#schema/clock.ts';
import type { HostName, Ids } from '#schema/ids.ts';
import { TASKS, type TaskEnvelope, TaskError, type TaskInput, type TaskName } from '#schema/tasks.ts';
import { agentQueue } from '../names.ts';
import { openRedis } from '../redis.ts';

/** What may be asked of an agent about things that MySQL knows nothing of, and which so have no operation. */
export type DirectTask = Extract<
  TaskName,
  'storage.remove' | 'export.absent' | 'disk.detach' | 'connection.absent'
>;

/** Has an agent carry out a task that is no operation's. */
export interface DirectTasks {
  /**
   * @param id of the volume or snapshot that it is about; MySQL must have no row of it.
   * @throws TaskError with the agent's words; Error when it has not answered in time
   */
  run<N extends DirectTask>(host: HostName, task: N, id: string, input: TaskInput<N>): Promise<void>;
}

interface Options {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** A guest may take its time to let go; wiping goes on when nobody waits for it any more. */
const WITHIN_MS = 120_000;

/** Opens connections for one task at a time: it is done by hand, and seldom. */
export function createDirectTasks({ redisUrl, prefix, clock, ids }: Options): DirectTasks {
  return {
    async run(host, task, id, input) {
      const name = agentQueue(TASKS[task].agent, host);
      const [commands, blocking] = [openRedis(redisUrl), openRedis(redisUrl)];
      const queue = new Queue(name, { connection: commands, prefix });
      const events = new QueueEvents(name, { connection: blocking, prefix });
      queue.on('error', () => undefined);
      events.on('error', () => undefined);
      try {
        await events.waitUntilReady();
        const requestId = `drift-${ids.uuid()}`;
        // In a line of its own: the volume's line belongs to operations, whose numbers are not ours to use up.
        const envelope: TaskEnvelope = { volumeId: `${id}.drift`, seq: clock.now(), requestId, input };
        const job = await queue.add(task, envelope, {
          jobId: requestId,
          removeOnComplete: { age: 60 },
          removeOnFail: { count: 100 },
        });
        await job.waitUntilFinished(events, WITHIN_MS);
      } catch (error) {
        const { failure } = splitAccount(error instanceof Error ? error.message : String(error));
        throw new TaskError('failed', failure);
      } finally {
        await events.close().catch(() => undefined);
        await queue.close().catch(() => undefined);
        commands.disconnect();
        blocking.disconnect();
      }
    },
  };
}
