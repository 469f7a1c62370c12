import { watch } from 'node:fs';

/**
 * Calls back once a burst of changes to names that matter is `settleMs` old. Best effort: where the folder can't be watched,
 * the next regular report tells.
 * @returns what ends the watch.
 */
export function watchFolder(
  folder: string,
  matters: (name: string | null) => boolean,
  settleMs: number,
  callback: () => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  try {
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (!matters(name)) return;
      clearTimeout(timer);
      timer = setTimeout(callback, settleMs);
    });
    watcher.on('error', () => watcher.close());
    return () => {
      clearTimeout(timer);
      watcher.close();
    };
  } catch {
    return () => {};
  }
}
