import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { TaskError } from '#schema/tasks.ts';

/** O_NONBLOCK: a FIFO in a volume's place must not hang the agent; it has no effect on a regular file. */
export const OPEN = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @returns the file's size, which is at least this one now. @throws TaskError `refused` for anything but a file. */
export async function growFile(file: FileHandle, sizeBytes: number): Promise<number> {
  const stat = await file.stat();
  if (!stat.isFile())
    throw new TaskError('refused', 'something that is not a file stands in the volume’s place');
  if (stat.size < sizeBytes) await file.truncate(sizeBytes);
  await file.sync();
  return Math.max(stat.size, sizeBytes);
}

/** A new or removed name is durable only once its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}

/** Whether anything has the name, a link to nothing included. */
export async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) !== null;
}
