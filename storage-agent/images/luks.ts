import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Luks, luksHeaderBytes } from '#schema/luks.ts';
import { TaskError } from '#schema/tasks.ts';
import type { ImageContent } from '../backends/backend.ts';
import type { LuksFormat, QemuImg } from './qemu-img.ts';

/** How a volume is encrypted; the passphrase is in clear. */
export interface OpenLuks extends Pick<Luks, 'cipher' | 'keyBits'> {
  readonly passphrase: string;
}

/** Makes what a new encrypted volume holds. */
export type Encrypt = (volumeId: string, luks: OpenLuks, plain?: ImageContent) => ImageContent;

/**
 * Formats a new volume with LUKS and writes an image, if there is one, into it. What nobody has written to yet shows noise.
 * @param folder belongs to the agent alone; while it works, the passphrase lies there (in argv `ps` would show it), and an
 * image's data before they are encrypted, as they do when they are converted.
 */
export function createEncrypt(qemuImg: QemuImg, folder: string): Encrypt {
  return (volumeId, { cipher, keyBits, passphrase }, plain) => {
    const header = luksHeaderBytes({ keyBits });
    const at = (what: string): string => join(folder, `${what}-${volumeId}`);
    const format = async (path: string, sizeBytes: number, write: (secretFile: string) => Promise<void>) => {
      await withSecretFile(at('passphrase'), passphrase, async (secretFile) => {
        const inside = { sizeBytes: sizeBytes - header, cipher, keyBits, secretFile };
        await formatted(qemuImg, path, inside, () => write(secretFile));
      });
    };
    return {
      id: volumeId,
      // No two are alike: nothing to keep for further volumes.
      digest: null,
      async open(atMostBytes, work) {
        if (atMostBytes <= header) throw new TaskError('invalid', 'the volume is too small to be encrypted');
        if (plain === undefined) {
          const writeTo = (path: string): Promise<void> => format(path, atMostBytes, async () => {});
          return work({ sizeBytes: atMostBytes, dataBytes: header, writeTo });
        }
        return plain.open(atMostBytes - header, (opened) =>
          work({
            sizeBytes: opened.sizeBytes + header,
            dataBytes: opened.dataBytes + header,
            async writeTo(path) {
              const clear = at('clear');
              await format(path, atMostBytes, async (secretFile) => {
                try {
                  await rm(clear, { force: true });
                  {
                    await using file = await open(clear, 'wx', 0o600);
                    await file.truncate(opened.sizeBytes);
                  }
                  await opened.writeTo(clear, true);
                  await qemuImg.encrypt({ path: clear }, path, { sizeBytes: opened.sizeBytes, secretFile });
                } finally {
                  await rm(clear, { force: true });
                }
              });
            },
          }),
        );
      },
    };
  };
}

/** Makes a device or file a LUKS volume, and that and what `write` puts inside durable. */
export async function formatted(
  qemuImg: QemuImg,
  path: string,
  luks: LuksFormat,
  write: () => Promise<void>,
): Promise<void> {
  await qemuImg.formatLuks(path, luks);
  await write();
  await using file = await open(path, 'r+');
  await file.sync();
}

/** A secret lies in a file of the agent's while `work` runs: in argv `ps` would show it. */
export async function withSecretFile<T>(
  path: string,
  secret: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await rm(path, { force: true });
    await writeFile(path, secret, { mode: 0o600, flag: 'wx' });
    return await work(path);
  } finally {
    await rm(path, { force: true });
  }
}
