import { stat } from 'node:fs/promises';
import { errnoOf } from './backends/errno.ts';

/**
 * What tells a file or folder from all others of this host at this moment: symbolic links and bind mounts lead to the same one
 * by several names (`st_dev` and `st_ino`, inode(7)).
 * @throws Error when there is none
 */
export async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** Whether both names lead to one file. What is not there is none. */
export async function isSameFile(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  try {
    return (await identityOf(one)) === (await identityOf(other));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
