import { readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostName } from '#schema/ids.ts';
import { errnoOf } from '../errno.ts';
import { syncFolder } from './files.ts';

/** In each folder of volumes: whose it is. */
export const OWNER_MARK = '.blockyard-host';

/**
 * Makes a folder of volumes this host's for good: two hosts that have it over NFS would each take the other's volumes for
 * leftovers of their own. Whoever starts first gets a folder that has no mark, whatever lies in it. The mark is a symbolic link to no
 * file: it is there at once with the whole name, or not at all, whoever dies and whoever comes at the same time.
 * @throws Error when it is another host's
 */
export async function claimFolder(folder: string, host: HostName): Promise<void> {
  const mark = join(folder, OWNER_MARK);
  const owner = (await ownerBy(mark)) ?? (await leaveMark(folder, mark, host));
  if (owner !== host)
    throw new Error(
      `BLOCKYARD_BACKENDS: ${folder} is the folder of storage host ${owner}, and this one is ${host}; if ${owner} has been renamed or is not to use it any more, remove ${mark}`,
    );
}

/** @returns whose it is now. */
async function leaveMark(folder: string, mark: string, host: HostName): Promise<string | null> {
  try {
    await symlink(host, mark);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return ownerBy(mark);
    throw error;
  }
  await syncFolder(folder);
  return host;
}

/** Null where there is no mark. */
async function ownerBy(mark: string): Promise<string | null> {
  try {
    return await readlink(mark);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    if (errnoOf(error) !== 'EINVAL') throw error;
    throw new Error(`${mark} must be a symbolic link to the name of the storage host`, { cause: error });
  }
}
