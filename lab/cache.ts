import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

const DAY_MS = 24 * 3_600_000;
const KEPT_MS = 7 * DAY_MS;
const TOUCHED_EVERY_MS = 3_600_000;

/**
 * Marks what a machine boots from as being used, now and every hour until it is disposed of, by the time of its last
 * change: a lab may run for longer than unused things are kept.
 */
export async function keepUsed(paths: readonly string[]): Promise<Disposable> {
  const touch = async (): Promise<void> => {
    const now = new Date();
    await Promise.all(paths.map((path) => utimes(path, now, now)));
  };
  await touch();
  const timer = setInterval(() => void touch().catch(() => undefined), TOUCHED_EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Removes images, disks with dependencies (half a GiB each) and what killed builds have left, of which no lab has made use
 * for a week.
 */
export async function prune(cacheDir: string, now = new Date()): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    const path = join(cacheDir, name);
    const found = await stat(path).catch(() => null);
    if (found === null || now.getTime() - found.mtimeMs < KEPT_MS) continue;
    // Under its own name it is whole or gone: half an image would be taken for one.
    const doomed = join(cacheDir, `doomed-${randomUUID()}`);
    await rename(path, doomed).catch(() => undefined);
    await rm(doomed, { recursive: true, force: true });
  }
}
