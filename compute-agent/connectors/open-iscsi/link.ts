import { type FSWatcher, watch } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/**
 * Waits for what udev does with one link, woken by inotify.
 * @param done looks at what the link points to (`sda`; null when there is none) and says whether that is it.
 * @returns false when it did not come to that in time.
 */
export async function waitForLink(
  path: string,
  done: (target: string | null) => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const look = async (): Promise<boolean> => await done(await target(path));
  if (await look()) return true;
  const until = performance.now() + timeoutMs;
  for (let left = timeoutMs; left > 0; left = until - performance.now()) {
    using change = nextChange(path);
    // It may have come before we watched.
    if (await look()) return true;
    await change.within(left);
    if (await look()) return true;
  }
  return false;
}

async function target(path: string): Promise<string | null> {
  try {
    return basename(await readlink(path));
  } catch {
    return null;
  }
}

interface Change extends Disposable {
  /** Resolves at the first change since the watch began, or after `ms`. */
  within(ms: number): Promise<void>;
}

/** udev makes folders of links with their first link and removes them with the last: the nearest one that exists is watched. */
function nextChange(path: string): Change {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watchNearest(dirname(path), resolve);
  return {
    async within(ms) {
      const timer = setTimeout(resolve, ms);
      await promise;
      clearTimeout(timer);
    },
    [Symbol.dispose]: () => watcher.close(),
  };
}

function watchNearest(folder: string, changed: () => void): FSWatcher {
  try {
    return watch(folder, changed).on('error', changed);
  } catch (error) {
    const parent = dirname(folder);
    if (parent === folder) throw error;
    return watchNearest(parent, changed);
  }
}
