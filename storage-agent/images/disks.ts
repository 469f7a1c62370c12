import { join } from 'node:path';
import { type Connection, TaskError } from '#schema/tasks.ts';
import type { OpenedImage } from '../backends/backend.ts';
import { createEncrypt, type Encrypt, withSecretFile } from './luks.ts';
import type { QemuImg, RawDisk } from './qemu-img.ts';
import { createRecode, type Recode } from './recode.ts';

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
  opened(disk: RawDisk): Promise<OpenedDisk>;
  /** Shows an export through QEMU's own initiator, for as long as `work` runs. */
  overIscsi<T>(from: Export, work: (disk: RawDisk) => Promise<T>): Promise<T>;
  readonly encrypted: Encrypt;
  readonly recoded: Recode;
}

/** @param folder belongs to the agent alone; a secret lies there while it is used: in argv `ps` would show it. */
export function createDisks(qemuImg: QemuImg, folder: string): Disks {
  const opened = async (disk: RawDisk): Promise<OpenedDisk> => {
    const sizeBytes = await qemuImg.rawSize(disk);
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
    recoded: createRecode(qemuImg, folder),
    async overIscsi({ volumeId, connection, initiator, username, secret }, work) {
      const [portal] = connection.portals;
      if (portal === undefined) throw new TaskError('invalid', 'the export has no portal');
      const { iqn: target, lun } = connection;
      return withSecretFile(join(folder, `account-${volumeId}`), secret, (secretFile) =>
        work({ portal, target, lun, initiator, username, secretFile }),
      );
    },
  };
}
