import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TaskError } from '#schema/tasks.ts';
import { volumeName } from '../names.ts';
import { type Backend, GIB } from './backend.ts';
import { errnoOf, withReason } from './errno.ts';

/** O_NONBLOCK: a FIFO in a volume's place must not hang the agent; it has no effect on a regular file. */
const OPEN = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Volumes as sparse files `volume-<id>` in one folder that belongs to the agent alone.
 * Deleting needs no wipe: the file system never shows one file's old blocks in another.
 * @param folder made (0700) when missing.
 */
export async function createFileBackend(folder: string): Promise<Backend> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pathOf = (volumeId: string): string => join(folder, volumeName(volumeId));

  const atLeast = async (volumeId: string, sizeBytes: number, flags: number): Promise<number> => {
    const size = await withReason(async () => {
      await using file = await open(pathOf(volumeId), OPEN | flags, 0o600);
      return await growFile(file, sizeBytes);
    });
    await syncFolder(folder);
    return size;
  };

  return {
    thin: true,
    discard: true,
    ensure: (volumeId, sizeBytes) => atLeast(volumeId, sizeBytes, constants.O_CREAT),
    grow: (volumeId, sizeBytes) => atLeast(volumeId, sizeBytes, 0),
    async absent(volumeId) {
      try {
        await unlink(pathOf(volumeId));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
      // Also when it was gone already: an earlier run may have died between the two.
      await syncFolder(folder);
    },
    async activate(volumeId) {
      try {
        return (await lstat(pathOf(volumeId))).isFile();
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return false;
        throw error;
      }
    },
    devicePath: pathOf,
    async capacity() {
      const { bsize, blocks, bavail } = await statfs(folder);
      return { totalGib: (bsize * blocks) / GIB, freeGib: (bsize * bavail) / GIB };
    },
  };
}

async function growFile(file: FileHandle, sizeBytes: number): Promise<number> {
  const stat = await file.stat();
  if (!stat.isFile())
    throw new TaskError('refused', 'something that is not a file stands in the volume’s place');
  if (stat.size < sizeBytes) await file.truncate(sizeBytes);
  await file.sync();
  return Math.max(stat.size, sizeBytes);
}

/** A new or removed name is durable only once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}
