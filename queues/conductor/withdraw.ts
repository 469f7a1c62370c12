import type { Redis } from 'ioredis';

/**
 * KEYS: the job, its lock, and where jobs wait for an agent. ARGV: the job's id, and how often an agent may have begun it.
 * Keys as BullMQ lays them out; `ats` counts how often a job has been begun.
 */
const WITHDRAW = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'ats') or '0') > tonumber(ARGV[2]) then return 0 end
if redis.call('LREM', KEYS[3], 1, ARGV[1]) + redis.call('ZREM', KEYS[4], ARGV[1]) == 0 then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Takes a job back that no agent is at, and nothing else. BullMQ's own way of removing a job also removes what the job names as
 * its children, wherever that is, and an agent may write what it likes into the jobs of its queue: a stolen account
 * would have the conductor remove the jobs of other hosts.
 * @param begun how often an agent may have begun it and failed.
 * @returns true when the job was there and is no more.
 */
export async function withdrawJob(
  redis: Redis,
  prefix: string,
  queue: string,
  jobId: string,
  begun = Number.MAX_SAFE_INTEGER,
): Promise<boolean> {
  const base = `${prefix}:${queue}:`;
  const keys = [`${base}${jobId}`, `${base}${jobId}:lock`, `${base}wait`, `${base}delayed`];
  return (await redis.eval(WITHDRAW, keys.length, ...keys, jobId, begun)) === 1;
}
