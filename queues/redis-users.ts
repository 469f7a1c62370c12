/** Redis accounts of agents: each reaches its own queue and channels, and nothing of another's (redis.io/docs, "ACL"). */
import { createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { HostName } from '#schema/ids.ts';
import type { AgentKind } from '#schema/tasks.ts';
import {
  agentQueue,
  answerChannel,
  evictionsChannel,
  questionChannel,
  reportChannel,
  reportKey,
} from './names.ts';

export interface AgentName {
  readonly kind: AgentKind;
  readonly host: HostName;
}

/** What BullMQ's worker scripts, its worker and ioredis do on a queue; each of them only on the account's own keys. */
const COMMANDS = `
  ping info client|setname multi exec eval evalsha subscribe unsubscribe publish del exists persist pexpire
  pttl get set incr hdel hexists hget hgetall hincrby hmget hmset hset lindex llen lpop lpos lpush lrange
  lrem ltrim rpop rpoplpush rpush sadd scard sismember smembers srem bzpopmin zadd zcard zcount zpopmin
  zrange zrangebyscore zrem zremrangebyrank zremrangebyscore zrevrange zrevrangebyscore zscore xadd xtrim`
  .trim()
  .split(/\s+/);

/** A random password, safe in URLs and in ACL rules. */
export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** The account's name. */
export function agentUser(prefix: string, { kind, host }: AgentName): string {
  return `${prefix}.${agentQueue(kind, host)}`;
}

/**
 * The account's line in an ACL file or in redis.conf, as Redis itself would write it. The password is in there as its hash.
 * Names hold no character that means something in a pattern (`schema/settings.ts`).
 */
export function agentUserLine(prefix: string, agent: AgentName, password: string): string {
  return ['user', agentUser(prefix, agent), ...rules(prefix, agent, password)].join(' ');
}

function rules(prefix: string, { kind, host }: AgentName, password: string): string[] {
  const queue = agentQueue(kind, host);
  const channels = [
    reportChannel(prefix, kind, host),
    questionChannel(prefix, kind, host),
    answerChannel(prefix, queue, '*'),
    ...(kind === 'compute' ? [evictionsChannel(prefix, host)] : []),
  ];
  return [
    'on',
    `#${createHash('sha256').update(password).digest('hex')}`,
    'resetchannels',
    `~${prefix}:${queue}:*`,
    `~${reportKey(prefix, kind, host)}`,
    ...channels.map((channel) => `&${channel}`),
    '-@all',
    ...COMMANDS.map((command) => `+${command}`),
  ];
}

/**
 * Makes the account, or gives the one that exists this password; who was connected by the old one is cut off.
 * @returns false when Redis keeps no ACL file: the account is gone when Redis starts again.
 */
export async function putAgentUser(
  redis: Redis,
  prefix: string,
  agent: AgentName,
  password: string,
): Promise<boolean> {
  const name = agentUser(prefix, agent);
  await redis.acl('SETUSER', name, 'reset', ...rules(prefix, agent, password));
  await redis.client('KILL', 'USER', name);
  return save(redis);
}

/** Takes the account away and cuts off who is connected by it. */
export async function dropAgentUser(
  redis: Redis,
  prefix: string,
  agent: AgentName,
): Promise<{ readonly existed: boolean; readonly saved: boolean }> {
  const existed = (await redis.acl('DELUSER', agentUser(prefix, agent))) === 1;
  return { existed, saved: await save(redis) };
}

/** The agents that have accounts, by their queues' names. */
export async function agentUsers(redis: Redis, prefix: string): Promise<string[]> {
  const start = `${prefix}.`;
  const names = await redis.acl('USERS');
  return names
    .filter((name) => /^(?:storage|compute)\./.test(name.slice(start.length)) && name.startsWith(start))
    .map((name) => name.slice(start.length))
    .toSorted();
}

async function save(redis: Redis): Promise<boolean> {
  try {
    await redis.acl('SAVE');
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes('not configured to use an ACL file')) return false;
    throw error;
  }
}

/** The same Redis, by the agent's account. */
export function agentRedisUrl(url: string, prefix: string, agent: AgentName, password: string): string {
  const own = new URL(url);
  own.username = encodeURIComponent(agentUser(prefix, agent));
  own.password = encodeURIComponent(password);
  return own.href;
}
