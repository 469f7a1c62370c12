import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredItem } from '#schema/inventory.ts';
import { readName } from '../../names.ts';
import { errnoOf } from '../errno.ts';
import { OWNER_MARK } from './owner.ts';

/** Files looked at together, each by a thread, which waits as long as an NFS server is silent: the agent has 256 (Procfile). */
const AT_ONCE = 16;

/** Everything in the backend's folder but its owner's mark, in order of names; what disappears meanwhile is left out. */
export async function listFiles(folder: string): Promise<StoredItem[]> {
  const names = (await readdir(folder)).filter((name) => name !== OWNER_MARK).toSorted();
  const items: StoredItem[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const some = await Promise.all(names.slice(from, from + AT_ONCE).map((name) => itemAt(folder, name)));
    items.push(...some.filter((item) => item !== null));
  }
  return items;
}

/** What one name stands for; null when there is nothing. */
export async function itemAt(folder: string, name: string): Promise<StoredItem | null> {
  let stat: Stats;
  try {
    stat = await lstat(join(folder, name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  const ours = stat.isFile() ? readName(name) : null;
  return {
    kind: ours?.kind ?? 'foreign',
    name,
    id: ours?.id ?? null,
    sizeBytes: stat.size,
    origin: null,
    open: null,
    unfit: stat.isFile() ? (stat.nlink > 1 ? 'the file has another name elsewhere' : null) : 'not a file',
  };
}
