import type { HostName } from '#schema/ids.ts';
import type { AgentKind } from '#schema/tasks.ts';

/** The queue of operations, which conductors work on. */
export const OPERATIONS_QUEUE = 'operations';

/** The queue of one agent: `storage.<host>` or `compute.<host>`. */
export function agentQueue(kind: AgentKind, host: HostName): string {
  return `${kind}.${host}`;
}

/** BullMQ's stream of what happens on a queue (its documented key layout). */
export function eventStream(prefix: string, queue: string): string {
  return `${prefix}:${queue}:events`;
}

/** Where agents publish reports, and where the newest of each is kept. */
export function reportChannel(prefix: string): string {
  return `${prefix}:reports`;
}
export function reportKey(prefix: string, kind: AgentKind, host: HostName): string {
  return `${prefix}:report:${kind}.${host}`;
}

/** Where conductors say which operation has ended. */
export function endedChannel(prefix: string): string {
  return `${prefix}:ended`;
}

/** Where an agent hears the api's questions. */
export function questionChannel(prefix: string, kind: AgentKind, host: HostName): string {
  return `${prefix}:questions:${kind}.${host}`;
}
/** Where one process hears the answers to its own. */
export function answerChannel(prefix: string, asker: string): string {
  return `${prefix}:answers:${asker}`;
}
