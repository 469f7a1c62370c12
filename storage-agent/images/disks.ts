import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Connection, TaskError } from '#schema/tasks.ts';
import type { OpenedImage } from '../backends/backend.ts';
import { createEncrypt, type Encrypt } from './luks.ts';
import type { QemuImg, RawDisk } from './qemu-img.ts';

/** Somebody else's export, and the account for it; the secret is in clear. */
interface Export {
  readonly volumeId: string;
  readonly connection: Connection;
  readonly initiator: string;
  readonly username: string;
  readonly secret: string;
}

/** A disk that can be copied, and compared with another. */
export interface OpenedDisk extends OpenedImage {
  isAt(path: string): Promise<boolean>;
}

/** Raw disks that are copied from one place to another, and compared when they have been. */
export interface Disks {
  opened(disk: RawDisk, sizeBytes: number): Promise<OpenedDisk>;
  /** Reads an export with QEMU's own initiator, for as long as `work` runs. */
  overIscsi<T>(from: Export, work: (opened: OpenedDisk) => Promise<T>): Promise<T>;
  readonly encrypted: Encrypt;
}

/** @param folder belongs to the agent alone; a secret lies there while it is used: in argv `ps` would show it. */
export function createDisks(qemuImg: QemuImg, folder: string): Disks {
  const opened = async (disk: RawDisk, sizeBytes: number): Promise<OpenedDisk> => {
    const isAt = (path: string): Promise<boolean> => qemuImg.same(disk, { path }, sizeBytes);
    return {
      sizeBytes,
      dataBytes: await qemuImg.rawDataBytes(disk),
      isAt,
      async writeTo(path, zeroed) {
        await qemuImg.copy(disk, path, { sizeBytes, zeroed });
        if (!(await isAt(path))) throw new TaskError('failed', 'the copy is not what was copied');
      },
    };
  };
  return {
    opened,
    encrypted: createEncrypt(qemuImg, folder),
    async overIscsi({ volumeId, connection, initiator, username, secret }, work) {
      const [portal] = connection.portals;
      if (portal === undefined) throw new TaskError('invalid', 'the export has no portal');
      await mkdir(folder, { recursive: true });
      const secretFile = join(folder, `account-${volumeId}`);
      try {
        await rm(secretFile, { force: true });
        await writeFile(secretFile, secret, { mode: 0o600, flag: 'wx' });
        const { iqn: target, lun } = connection;
        const disk = { portal, target, lun, initiator, username, secretFile };
        return await work(await opened(disk, await qemuImg.rawSize(disk)));
      } finally {
        await rm(secretFile, { force: true });
      }
    },
  };
}
