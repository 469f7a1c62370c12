import { createHash } from 'node:crypto';
import { mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostName } from '#schema/ids.ts';
import { errnoOf } from '../errno.ts';
import { exists, syncFolder } from './files.ts';

/** In each folder of volumes: whose it is. */
export const OWNER_MARK = '.blockyard-host';

export interface Claimant {
  readonly host: HostName;
  /** Remembers which folders this agent has had. */
  readonly stateDir: string;
}

/**
 * Makes a folder of volumes this host's for good: two hosts that have it over NFS would each take the other's volumes for
 * leftovers of their own. Whoever starts first gets a folder that has no mark, whatever lies in it. The mark is a symbolic link to no
 * file: it is there at once with the whole name, or not at all, whoever dies and whoever comes at the same time.
 * @throws Error when it is another host's; or when this host has had a folder of that name whose mark is gone: over an empty one, where a
 * disk should have been mounted, every volume would be missing, deleted with success, or made where nobody will find it.
 */
export async function claimFolder(folder: string, { host, stateDir }: Claimant): Promise<void> {
  const mark = join(folder, OWNER_MARK);
  const memory = join(stateDir, 'folders', createHash('sha256').update(folder).digest('hex'));
  // Before the mark is looked for: another back end of this agent may be at the same folder.
  const had = await exists(memory);
  const owner = (await ownerBy(mark)) ?? (had ? null : await leaveMark(folder, mark, host));
  if (owner === null)
    throw new Error(
      `BLOCKYARD_BACKENDS: ${folder} is not the folder that this host has had, which was marked (is its disk mounted?); if it is to be used as it is: ln -sfn ${host} ${mark}`,
    );
  if (owner !== host)
    throw new Error(
      `BLOCKYARD_BACKENDS: ${folder} is the folder of storage host ${owner}, and this one is ${host}; if ${owner} has been renamed or is not to use it any more: ln -sfn ${host} ${mark}`,
    );
  await mkdir(join(stateDir, 'folders'), { recursive: true, mode: 0o700 });
  await writeFile(memory, `${folder}\n`, { mode: 0o600 });
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
