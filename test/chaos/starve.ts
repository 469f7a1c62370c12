import { setTimeout as sleep } from 'node:timers/promises';
import { signalProcess } from '#stack/servers/server.ts';

const TURN_MS = 400;

/**
 * Lets processes run for only a part of the time, as on a machine that has too much to do: SIGSTOP and SIGCONT in turns.
 * @param percent of the time that they stand still.
 * @returns what lets them run again.
 */
export function starve(pids: readonly number[], percent: number): () => Promise<void> {
  const ending = new AbortController();
  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: ending.signal }).catch(() => undefined);
  const turns = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      for (const pid of pids) signalProcess(pid, 'SIGSTOP');
      await pause((TURN_MS * percent) / 100);
      for (const pid of pids) signalProcess(pid, 'SIGCONT');
      await pause((TURN_MS * (100 - percent)) / 100);
    }
  };
  const ended = turns();
  return async () => {
    ending.abort();
    await ended;
  };
}
