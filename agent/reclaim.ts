import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';

/**
 * Puts back in line what a former self of this agent had begun when it was killed. BullMQ would find these jobs too, but
 * only once their locks have expired. Call it as the queue's only worker, before the first job is taken.
 */
export async function reclaimJobs(name: string, connection: Redis, prefix: string): Promise<void> {
  const queue = new Queue(name, { connection, prefix });
  queue.on('error', () => undefined);
  // The newest first: each goes to the head of the line.
  for (const job of await queue.getJobs(['active'], 0, -1, false)) {
    const lock = await connection.get(`${queue.toKey(job.id ?? '')}:lock`);
    // "0": no lock. A job that has just gone from the list is nobody's to put back.
    await job.moveToWait(lock ?? '0').catch(() => undefined);
  }
  await queue.close();
}
