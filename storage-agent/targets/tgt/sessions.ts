import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from './accounts.ts';
import type { TgtClient } from './client.ts';
import type { TgtTarget } from './show.ts';
import { TGT_ERRNO } from './wire.ts';

/** Milliseconds between looks: doubled from the first to the last, as most sessions end at once. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 64;

/**
 * Closes the sessions of every initiator that `stays` says no to, and resolves when tgtd has forgotten them, which
 * it does once their last command is done.
 * @throws Error when they are still there after `deadlineMs`.
 */
export async function cutSessions(
  client: TgtClient,
  { tid }: Pick<TgtTarget, 'tid'>,
  stays: (initiator: string) => boolean,
  deadlineMs: number,
): Promise<void> {
  const cut = new Set<number>();
  const deadline = performance.now() + deadlineMs;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 2, LAST_LOOK_MS)) {
    const open = (await client.connections(tid)).filter(({ initiator }) => !stays(initiator));
    for (const connection of open) {
      cut.add(connection.sid);
      try {
        await client.closeConnection(tid, connection);
      } catch (error) {
        if (!isErrno(error, TGT_ERRNO.noSession) && !isErrno(error, TGT_ERRNO.noConnection)) throw error;
      }
    }
    if (open.length === 0 && !(await anyLeft(client, tid, cut))) return;
    if (performance.now() > deadline) throw new Error('sessions are still finishing commands');
    await sleep(pause);
  }
}

/** A closed session is off the list of connections at once, but on the list of nexuses until its commands are done. */
async function anyLeft(client: TgtClient, tid: number, sids: ReadonlySet<number>): Promise<boolean> {
  if (sids.size === 0) return false;
  const target = (await client.targets()).find((target) => target.tid === tid);
  return target?.sessions.some((sid) => sids.has(sid)) ?? false;
}
