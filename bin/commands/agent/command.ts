import type { Redis } from 'ioredis';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { replicasBehind } from '#queues/redis-replicas.ts';
import {
  type AgentName,
  agentRedisUrl,
  agentUser,
  agentUserLine,
  agentUsers,
  dropAgentUser,
  newPassword,
  putAgentUser,
} from '#queues/redis-users.ts';
import { agentKeys } from '#queues/secrets.ts';
import type { HostName } from '#schema/ids.ts';
import { REDIS_SETTINGS, readSettings, redisUrl, SETTINGS } from '#schema/settings.ts';
import type { AgentKind } from '#schema/tasks.ts';
import { CommandError, readArgs, runCommand, type Streams, UsageError } from '../command.ts';

const USAGE = `Usage:
  blockyard agent add HOST [--kind storage|compute]
  blockyard agent list
  blockyard agent remove HOST [--kind storage|compute]

Gives a host's agents accounts of their own at Redis, which reach their own queues and nothing of another host's, and
prints what goes into each agent's environment file. That file holds secrets: keep it readable by root alone
(chmod 600). Adding a host again changes its password and cuts off who has the old one. Without --kind it is both
agents; give a machine only what runs there.

Behind Sentinels the accounts are made at the master and at each replica that the Sentinels know of.

Run it where a conductor runs, with its settings:
  REDIS_URL               an account that may use ACL (BLOCKYARD_REDIS_CA, _CERT and _KEY for TLS)
  BLOCKYARD_SECRET_KEY    the master key, which the agents' own keys are made from
  BLOCKYARD_QUEUE_PREFIX  default blockyard

Exit code: 0 done; 1 failed; 2 wrong usage.
`;

type Env = Readonly<Record<string, string | undefined>>;

const KINDS = ['storage', 'compute'] as const satisfies readonly AgentKind[];
const ANSWER_MS = 10_000;

/**
 * `blockyard agent …`.
 * @param argv what follows `agent`.
 * @returns the exit code.
 */
export async function agentCommand(argv: readonly string[], streams: Streams, env: Env): Promise<number> {
  return await runCommand('agent', USAGE, argv, streams, async () => {
    const [verb, ...rest] = argv;
    if (verb === 'add') await add(rest, streams, env);
    else if (verb === 'list') await list(rest, streams, env);
    else if (verb === 'remove') await remove(rest, streams, env);
    else throw new UsageError('expected add, list or remove');
    return 0;
  });
}

async function add(argv: readonly string[], { stdout, stderr }: Streams, env: Env): Promise<void> {
  const agents = agentsIn(argv);
  const { url, prefix } = settingsFrom(env);
  const { BLOCKYARD_SECRET_KEY: masterKeys } = readSettings(
    { BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY },
    env,
  );
  const made = agents.map((agent) => ({ agent, password: newPassword() }));
  await withRedis(url, async (redis) => {
    for (const { agent, password } of made) {
      const saved = await putAgentUser(redis, prefix, agent, password);
      stdout.write(`# The environment of the ${agent.kind} agent of host ${agent.host}
REDIS_URL=${agentRedisUrl(elsewhere(url), prefix, agent, password)}
BLOCKYARD_AGENT_KEY=${agentKeys(masterKeys, agentQueue(agent.kind, agent.host))}
BLOCKYARD_HOST=${agent.host}
BLOCKYARD_QUEUE_PREFIX=${prefix}
`);
      if (!saved) stderr.write(notSaved(agentUserLine(prefix, agent, password)));
    }
  });
  const lines = made.map(({ agent, password }) => agentUserLine(prefix, agent, password)).join('\n');
  await atReplicas(
    url,
    async (replica) => {
      for (const { agent, password } of made)
        if (!(await putAgentUser(replica, prefix, agent, password)))
          stderr.write(notSaved(agentUserLine(prefix, agent, password)));
    },
    (where, reason) => stderr.write(notThere(where, reason, lines)),
  );
}

/** Redis does not replicate users: each replica is told, or after a failover no agent would be let in. */
async function atReplicas(
  url: string,
  work: (replica: Redis) => Promise<void>,
  failed: (where: string, reason: string) => void,
): Promise<void> {
  for (const replica of await replicasBehind(url))
    await withRedis(replica, work).catch((error: unknown) =>
      failed(new URL(replica).host, error instanceof Error ? error.message : String(error)),
    );
}

function notThere(where: string, reason: string, lines: string): string {
  return `blockyard agent: NOT AT THE REPLICA ${where}: ${reason}
Its ACL file must have this, or the agent is shut out when that server becomes the master:
${lines}
`;
}

/** Without what only this host can use: a Unix socket, and files of its own. */
function elsewhere(url: string): string {
  const own = new URL(url);
  for (const name of ['path', 'ca', 'cert', 'key']) own.searchParams.delete(name);
  return own.href;
}

/** Redis without an ACL file forgets accounts when it ends. */
function notSaved(line: string): string {
  return `blockyard agent: NOT KEPT: this Redis has no aclfile, and forgets the account when it is restarted.
Either give it one ("aclfile /etc/redis/users.acl" in redis.conf) and add the host again, or put this line into redis.conf:
${line}
`;
}

async function list(argv: readonly string[], { stdout }: Streams, env: Env): Promise<void> {
  readArgs(argv, [], {});
  const { url, prefix } = settingsFrom(env);
  const agents = await withRedis(url, (redis) => agentUsers(redis, prefix));
  for (const agent of agents) stdout.write(`${agent}\n`);
}

async function remove(argv: readonly string[], { stdout, stderr }: Streams, env: Env): Promise<void> {
  const agents = agentsIn(argv);
  const { url, prefix } = settingsFrom(env);
  let known = 0;
  await withRedis(url, async (redis) => {
    for (const agent of agents) {
      const { existed, saved } = await dropAgentUser(redis, prefix, agent);
      if (!existed) continue;
      known += 1;
      stdout.write(`The ${agent.kind} agent of host ${agent.host} has no account any more.\n`);
      if (!saved)
        stderr.write(
          `blockyard agent: this Redis has no aclfile: take "user ${agentUser(prefix, agent)} …" out of redis.conf if it is there.\n`,
        );
    }
  });
  await atReplicas(
    url,
    async (replica) => {
      for (const agent of agents) await dropAgentUser(replica, prefix, agent);
    },
    (where, reason) =>
      stderr.write(
        `blockyard agent: NOT REMOVED AT THE REPLICA ${where}: ${reason}\nTake the account out of its ACL file.\n`,
      ),
  );
  if (known === 0) throw new CommandError(`host ${agents[0]?.host} has no account`);
}

function agentsIn(argv: readonly string[]): AgentName[] {
  const { values, positionals } = readArgs(argv, ['HOST'], { kind: { type: 'string' } });
  const host = SETTINGS.BLOCKYARD_HOST.safeParse(positionals[0]);
  if (!host.success) throw new UsageError('HOST must be letters, digits, dot, dash or underscore');
  const kinds = KINDS.filter((kind) => values.kind === undefined || kind === values.kind);
  if (kinds.length === 0) throw new UsageError('--kind must be storage or compute');
  return kinds.map((kind) => ({ kind, host: host.data as HostName }));
}

function settingsFrom(env: Env): { readonly url: string; readonly prefix: string } {
  const read = readSettings(
    { ...REDIS_SETTINGS, BLOCKYARD_QUEUE_PREFIX: SETTINGS.BLOCKYARD_QUEUE_PREFIX },
    env,
  );
  return { url: redisUrl(read), prefix: read.BLOCKYARD_QUEUE_PREFIX };
}

async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = openRedis(url);
  let refused = '';
  redis.on('error', (error: Error) => {
    refused = `: ${error.message}`;
  });
  try {
    const late = new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new CommandError(`Redis does not answer${refused}`)), ANSWER_MS).unref();
    });
    return await Promise.race([redis.ping().then(() => work(redis)), late]);
  } finally {
    redis.disconnect();
  }
}
