import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { imageProblem, inspectImage } from '#images/inspect.ts';
import { reachWithin } from '#queues/stopping-points.ts';
import { type DiskFormat, type ImageSource, TaskError } from '#schema/tasks.ts';
import type { ImageContent, OpenedImage } from '../backends/backend.ts';
import { errnoOf, withReason } from '../backends/errno.ts';
import { type CheckedData, checkedData } from './checked-data.ts';
import { examine } from './examine.ts';
import type { QemuImg } from './qemu-img.ts';
import type { ImageService } from './service.ts';
import { writeRaw } from './write-raw.ts';

/** Images as volumes' content, and volumes as images' data. */
export interface Images {
  content(source: ImageSource, signal: AbortSignal): ImageContent;
  /** False when the image has gone for good. @throws Error when nobody can tell. */
  holds(imageId: string, signal: AbortSignal): Promise<boolean>;
  /** Stores a disk as the data of an image that waits for them. */
  upload(
    imageId: string,
    format: DiskFormat,
    disk: { readonly path: string; readonly sizeBytes: number },
    signal: AbortSignal,
  ): Promise<void>;
}

interface ImagesParts {
  readonly service: ImageService;
  readonly qemuImg: QemuImg;
  /** For fetched and converted files; belongs to this agent alone. */
  readonly folder: string;
}

export function createImages({ service, qemuImg, folder }: ImagesParts): Images {
  let emptied: Promise<void> | undefined;
  /** What an earlier run has left there is of no use. Not before the first task: until then another agent may be at work. */
  const empty = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  };

  /** A name for a file that is gone when `work` ends. */
  const withFile = async <T>(work: (path: string) => Promise<T>): Promise<T> => {
    emptied ??= empty();
    await emptied.catch((error: unknown) => {
      emptied = undefined;
      throw error;
    });
    const path = join(folder, randomUUID());
    try {
      return await work(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC') throw noRoom();
      throw error;
    } finally {
      await rm(path, { force: true });
    }
  };
  const roomFor = async (bytes: number): Promise<void> => {
    const { bsize, bavail } = await statfs(folder);
    if (bsize * bavail < bytes) throw noRoom();
  };

  /** Raw data go straight to where they belong. */
  const openRaw = (source: ImageSource, data: CheckedData): OpenedImage => ({
    sizeBytes: source.sizeBytes,
    dataBytes: source.sizeBytes,
    writeTo: (path, zeroed) => withReason(() => writeRaw(data.all(), path, { zeroed, durable: true })),
  });
  /** Every other format is fetched first: QEMU reads it in any order, and the checksum is known before QEMU sees a byte. */
  const openPacked = async (
    source: ImageSource,
    data: CheckedData,
    sizeBytes: number,
    path: string,
  ): Promise<OpenedImage> => {
    await (await open(path, 'wx', 0o600)).close();
    await writeRaw(data.all(), path, { zeroed: false, durable: false });
    const disk = { path, format: source.diskFormat };
    examine(await qemuImg.info(disk), path, sizeBytes, source);
    return {
      sizeBytes,
      // QEMU does not look into a VHDX for this, which cannot hold more than its own size.
      dataBytes: source.diskFormat === 'vhdx' ? source.sizeBytes : await qemuImg.dataBytes(disk),
      writeTo: (to, zeroed) => qemuImg.write(disk, to, { sizeBytes, zeroed }),
    };
  };

  return {
    holds: (imageId, signal) => service.holds(imageId, signal),
    content: (source, signal) => ({
      id: source.id,
      digest: source.sha512 ?? source.md5,
      async open(atMostBytes, work) {
        const stream = await service.fetch(source.id, signal);
        try {
          const data = await checkedData(source, stream);
          const problem = imageProblem(data.head, source.diskFormat, source.encrypted);
          if (problem !== null) throw new TaskError('invalid', problem);
          const inside = source.encrypted === true ? null : inspectImage(data.head).virtualSizeBytes;
          const sizeBytes = inside ?? source.sizeBytes;
          if (sizeBytes > atMostBytes)
            throw new TaskError('invalid', 'the image’s disk is larger than the volume');
          if (source.diskFormat === 'raw') return await work(openRaw(source, data));
          return await withFile(async (path) => {
            await roomFor(source.sizeBytes);
            return work(await openPacked(source, data, sizeBytes, path));
          });
        } finally {
          stream.destroy();
        }
      },
    }),
    async upload(imageId, format, disk, signal) {
      const storeFile = (path: string, sizeBytes: number): Promise<void> =>
        service.store(
          imageId,
          () => ({
            data: reachWithin(
              createReadStream(path, { end: sizeBytes - 1, highWaterMark: 1024 ** 2 }),
              'upload.sending',
            ),
            sizeBytes,
          }),
          signal,
        );
      if (format === 'raw') return storeFile(disk.path, disk.sizeBytes);
      return withFile(async (path) => {
        await qemuImg.make({ path: disk.path, format: 'raw' }, { path, format }, disk.sizeBytes);
        await using made = await open(path);
        await storeFile(path, (await made.stat()).size);
      });
    },
  };
}

function noRoom(): TaskError {
  return new TaskError('refused', 'no space left in this host’s folder for fetched images');
}
