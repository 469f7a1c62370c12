import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { recorded } from '#agent/recording.ts';
import type { Runner } from '#agent/run.ts';
import { reach } from '#queues/stopping-points.ts';
import { TaskError } from '#schema/tasks.ts';
import { nameOf, volumeName } from '../../names.ts';
import { type Backend, type Content, GIB, type ImageContent } from '../backend.ts';
import { errnoOf, withReason } from '../errno.ts';
import { adoptFile, releaseFile } from './adopt.ts';
import { copyFile } from './copy.ts';
import { growFile, OPEN, syncFolder } from './files.ts';
import { listFiles } from './items.ts';
import { whoHasOpen } from './open-by.ts';

/**
 * Volumes as sparse files `volume-<id>` in one folder that belongs to the agent alone. Snapshots are copies, `snapshot-<id>`,
 * which share their blocks where the file system can (XFS, Btrfs).
 * Deleting needs no wipe: the file system never shows one file's old blocks in another.
 * @param folder made (0700) when missing.
 */
export async function createFileBackend(folder: string, runner: Runner): Promise<Backend> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const at = (name: string): string => join(folder, name);
  const pathOf = (volumeId: string): string => at(volumeName(volumeId));

  const atLeast = (path: string, sizeBytes: number, flags: number): Promise<number> =>
    told(`${path} at least ${sizeBytes} bytes`, async () => {
      const size = await withReason(async () => {
        await using file = await open(path, OPEN | flags, 0o600);
        return await growFile(file, sizeBytes);
      });
      await reach('volume.allocated');
      await syncFolder(folder);
      return size;
    });
  const exists = async (path: string): Promise<boolean> => {
    try {
      return (await lstat(path)).isFile();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  };
  const present = async (volumeId: string): Promise<void> => {
    if (!(await exists(pathOf(volumeId))))
      throw new TaskError('not-found', 'the volume does not exist on this backend');
  };
  const remove = (...names: readonly string[]): Promise<void> =>
    told(`remove ${names.map(at).join(' ')}`, async () => {
      for (const name of names) {
        try {
          await unlink(at(name));
        } catch (error) {
          if (errnoOf(error) !== 'ENOENT') throw error;
        }
      }
      await reach('absent.removed');
      // Also when it was gone already: an earlier run may have died between the two.
      await syncFolder(folder);
    });
  /** A copy that gets its name when it is whole; what an earlier run has left is overwritten. */
  const copyTo = async (from: string, name: string, through: string, inUse: () => Promise<boolean>) => {
    await remove(through);
    await reach('copy.begun');
    await told(`copy ${at(from)} ${at(through)}`, () => copyFile(runner, at(from), at(through), inUse));
    await reach('copy.whole');
    await rename(at(through), at(name));
    await syncFolder(folder);
  };
  const fill = async (volumeId: string, sizeBytes: number, content: Content): Promise<void> => {
    const [name, filling] = [volumeName(volumeId), nameOf('filling', volumeId)];
    switch (content.kind) {
      case 'volume':
        return copyTo(volumeName(content.volumeId), name, filling, () => content.inUse(content.volumeId));
      case 'snapshot':
        return copyTo(nameOf('snapshot', content.snapshotId), name, filling, async () => false);
      case 'image':
        return write(filling, name, sizeBytes, content.image);
    }
  };
  const write = async (
    through: string,
    name: string,
    sizeBytes: number,
    image: ImageContent,
  ): Promise<void> => {
    await image.open(sizeBytes, async (opened) => {
      await remove(through);
      await atLeast(at(through), sizeBytes, constants.O_CREAT | constants.O_EXCL);
      await opened.writeTo(at(through), true);
    });
    await reach('copy.whole');
    await rename(at(through), at(name));
    await syncFolder(folder);
  };

  const show = async <T>(path: string, work: (path: string, sizeBytes: number) => Promise<T>): Promise<T> => {
    await using file = await withReason(() => open(path, OPEN));
    return await work(path, (await file.stat()).size);
  };

  return {
    thin: true,
    discard: true,
    async ensure(volumeId, sizeBytes, content) {
      const path = pathOf(volumeId);
      if (content !== undefined && !(await exists(path))) await fill(volumeId, sizeBytes, content);
      return await atLeast(path, sizeBytes, content === undefined ? constants.O_CREAT : 0);
    },
    async rewrite(volumeId, sizeBytes, content) {
      await present(volumeId);
      // One rename puts the new data in the place of the old.
      await fill(volumeId, sizeBytes, content);
      await atLeast(pathOf(volumeId), sizeBytes, 0);
    },
    async stage(volumeId, sizeBytes, content) {
      await present(volumeId);
      await write(nameOf('filling', volumeId), nameOf('replacing', volumeId), sizeBytes, content);
    },
    unstage: async (volumeId) => remove(nameOf('filling', volumeId), nameOf('replacing', volumeId)),
    async replace(volumeId) {
      const ready = at(nameOf('replacing', volumeId));
      if (!(await exists(ready))) await present(volumeId);
      else
        await told(`rename ${ready} ${pathOf(volumeId)}`, async () => {
          await reach('replace.swapping');
          await rename(ready, pathOf(volumeId));
        });
      await syncFolder(folder);
    },
    grow: async (volumeId, sizeBytes) => atLeast(pathOf(volumeId), sizeBytes, 0),
    absent: async (volumeId) =>
      remove(
        volumeName(volumeId),
        nameOf('filling', volumeId),
        nameOf('copying', volumeId),
        nameOf('replacing', volumeId),
      ),
    async snapshot(volumeId, snapshotId, inUse) {
      const name = nameOf('snapshot', snapshotId);
      if (await exists(at(name))) return;
      await copyTo(volumeName(volumeId), name, nameOf('filling', snapshotId), () => inUse(volumeId));
    },
    snapshotAbsent: async (snapshotId) =>
      remove(nameOf('snapshot', snapshotId), nameOf('filling', snapshotId)),
    async read(volumeId, inUse, work) {
      await present(volumeId);
      if (!(await inUse(volumeId))) return show(pathOf(volumeId), work);
      const copy = nameOf('copying', volumeId);
      await remove(copy);
      try {
        await copyFile(runner, pathOf(volumeId), at(copy), () => inUse(volumeId));
        return await show(at(copy), work);
      } finally {
        await remove(copy);
      }
    },
    readSnapshot: async (snapshotId, work) => show(at(nameOf('snapshot', snapshotId)), work),
    activate: async (volumeId) => exists(pathOf(volumeId)),
    devicePath: pathOf,
    async capacity() {
      const { bsize, blocks, bavail } = await statfs(folder);
      return { totalGib: (bsize * blocks) / GIB, freeGib: (bsize * bavail) / GIB };
    },
    items: () => listFiles(folder),
    async remove(kind, id) {
      const name = nameOf(kind, id);
      const opener = await whoHasOpen(at(name));
      if (opener !== null) throw new TaskError('refused', `${opener} has ${name} open`);
      await remove(name);
    },
    adopt: (volumeId, name, sizeBytes) => adoptFile(folder, name, volumeName(volumeId), sizeBytes),
    async release(volumeId, name) {
      const beside = nameOf('replacing', volumeId);
      // Which of them are the volume's data is not decided yet.
      if (await exists(at(beside))) throw new TaskError('refused', `${beside} lies beside the volume`);
      await releaseFile(folder, volumeName(volumeId), name);
    },
    async adoptSnapshot(_volumeId, snapshotId, name, sizeBytes) {
      await adoptFile(folder, name, nameOf('snapshot', snapshotId), sizeBytes, 'snapshot');
    },
    releaseSnapshot: (snapshotId, name) => releaseFile(folder, nameOf('snapshot', snapshotId), name),
  };
}

/** No program is started for these, and the timeline tells of them all the same. */
function told<T>(command: string, work: () => Promise<T>): Promise<T> {
  return recorded({ program: 'file', command: () => `file: ${command}` }, work);
}
