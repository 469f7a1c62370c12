import type { HostName } from '#schema/ids.ts';
import type { Answerer } from '#schema/questions.ts';
import type { AgentKind } from '#schema/tasks.ts';

/** The queue of operations, which conductors work on. */
export const OPERATIONS_QUEUE = 'operations';

/** The queue of one agent: `storage.<host>` or `compute.<host>`. */
export function agentQueue(kind: AgentKind, host: HostName): string {
  return `${kind}.${host}`;
}

/** Which machine works under an agent's name: among its queue's keys, which its account reaches. */
export function leaseKey(prefix: string, kind: AgentKind, host: HostName): string {
  return `${prefix}:${agentQueue(kind, host)}:lease`;
}

/** BullMQ's stream of what happens on a queue (its documented key layout). */
export function eventStream(prefix: string, queue: string): string {
  return `${prefix}:${queue}:events`;
}

/**
 * Where one agent publishes its reports, and where the newest is kept. Each has places of its own, which no other agent's
 * account reaches (queues/redis-users.ts): so the place says whose report it is.
 */
export function reportChannel(prefix: string, kind: AgentKind, host: HostName): string {
  return `${reportChannels(prefix)}${agentQueue(kind, host)}`;
}
export function reportKey(prefix: string, kind: AgentKind, host: HostName): string {
  return `${reportKeys(prefix)}${agentQueue(kind, host)}`;
}
/** What all of them begin with. */
export function reportChannels(prefix: string): string {
  return `${prefix}:reports:`;
}
export function reportKeys(prefix: string): string {
  return `${prefix}:report:`;
}

/** Where conductors say which operation has ended. */
export function endedChannel(prefix: string): string {
  return `${prefix}:ended`;
}

/** Where a conductor answers each report of a hypervisor with what that host has yet to be rid of. */
export function evictionsChannel(prefix: string, host: HostName): string {
  return `${prefix}:evictions:${agentQueue('compute', host)}`;
}

/** Where an agent, or a conductor, hears the api's questions. */
export function questionChannel(prefix: string, kind: Answerer, host: HostName): string {
  return `${prefix}:questions:${kind}.${host}`;
}
/** Where all api processes hear what one of them was told to log; no agent's account reaches it. */
export function apiLogLevelsChannel(prefix: string): string {
  return `${prefix}:api-log-levels`;
}
/** Where one process hears that agent's answers to its own; a `*` for the host of any agent. */
export function answerChannel(prefix: string, agent: string, asker: string): string {
  return `${prefix}:answers:${agent}:${asker}`;
}
