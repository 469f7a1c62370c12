import type { TgtClient } from './client.ts';
import type { TgtTarget } from './show.ts';

/**
 * What this initiator still has of a target: words, or null for nothing. Sessions that are not known to be another initiator's count as its
 * own: tgtd forgets a closed session's connection at once and the session only when its last command is done.
 */
export async function lingering(
  client: TgtClient,
  target: TgtTarget,
  initiator: string,
): Promise<string | null> {
  if (target.initiators.includes(initiator)) return 'may still log in';
  if (target.sessions.length === 0) return null;
  const connections = await client.connections(target.tid);
  const others = new Set(connections.filter((each) => each.initiator !== initiator).map(({ sid }) => sid));
  const left = target.sessions.filter((sid) => !others.has(sid)).length;
  return left === 0 ? null : `has ${left} session(s) left`;
}
