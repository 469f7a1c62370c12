import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { errnoOf } from '../../backends/errno.ts';
import { watchFolder } from '../folder-watch.ts';

/** tgtd makes its socket some instructions before it listens on it. */
const SETTLE_MS = 100;

/** Knows one tgtd process from the next by its management socket, which each makes anew. */
export function watchTgtd(socketPath: string): {
  incarnation(): Promise<string>;
  onRestart(callback: () => void): void;
  close(): void;
} {
  let last = 'none yet';
  let stopWatching: (() => void) | undefined;
  return {
    /** The last known one while tgtd is away: only a new tgtd makes exporting again worthwhile. */
    async incarnation() {
      try {
        const { ino, ctimeMs } = await stat(socketPath);
        last = `${ino}-${Math.trunc(ctimeMs)}`;
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
      return last;
    },
    onRestart(callback) {
      const isSocket = (name: string | null): boolean => name === basename(socketPath);
      stopWatching = watchFolder(dirname(socketPath), isSocket, SETTLE_MS, callback);
    },
    close: () => stopWatching?.(),
  };
}
