import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { errnoOf } from '../../backends/errno.ts';

/** tgtd makes its socket some instructions before it listens on it. */
const SETTLE_MS = 100;

/** Knows one tgtd process from the next by its management socket, which each makes anew. */
export function watchTgtd(socketPath: string): {
  incarnation(): Promise<string>;
  onRestart(callback: () => void): void;
  close(): void;
} {
  let last = 'none yet';
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
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
    /** Best effort: where the folder can't be watched, the next regular report tells. */
    onRestart(callback) {
      try {
        watcher = watch(dirname(socketPath), { persistent: false }, (_event, file) => {
          if (file !== basename(socketPath)) return;
          clearTimeout(timer);
          timer = setTimeout(callback, SETTLE_MS);
        });
        watcher.on('error', () => watcher?.close());
      } catch {
        watcher = undefined;
      }
    },
    close() {
      clearTimeout(timer);
      watcher?.close();
    },
  };
}
