import { join } from 'node:path';
import { ProgramError } from '#agent/program-error.ts';
import { luksHeaderBytes } from '#schema/luks.ts';
import { TaskError } from '#schema/tasks.ts';
import type { OpenedDisk } from './disks.ts';
import { formatted, type OpenLuks, withSecretFile } from './luks.ts';
import type { QemuImg, RawDisk } from './qemu-img.ts';

/** How data are encrypted, and how they shall be; null means in clear. */
export interface Recoding {
  readonly was: OpenLuks | null;
  readonly luks: OpenLuks | null;
}

/**
 * Opens a volume so that what is copied from it has another encryption: at no time do the data lie in clear, unless they shall.
 * @param intoBytes of the volume that it is copied to, header and all.
 * @throws TaskError `refused` when the end of the data, where a header takes its room from, is not empty.
 */
export type Recode = <T>(
  volumeId: string,
  disk: RawDisk,
  how: Recoding,
  intoBytes: number,
  work: (opened: OpenedDisk) => Promise<T>,
) => Promise<T>;

/** @param folder belongs to the agent alone; the passphrases lie there while it works. */
export function createRecode(qemuImg: QemuImg, folder: string): Recode {
  return (volumeId, disk, { was, luks }, intoBytes, work) =>
    withOptional(join(folder, `former-passphrase-${volumeId}`), was, (former) =>
      withOptional(join(folder, `passphrase-${volumeId}`), luks, async (secretFile) => {
        const source: RawDisk = { ...disk, ...(former !== null && { inside: former }) };
        const header = luks === null ? 0 : luksHeaderBytes(luks);
        const [has, room] = [await qemuImg.rawSize(source), intoBytes - header];
        if (room <= 0) throw new TaskError('invalid', 'the volume is too small to be encrypted');
        if (has > room) await assertEndIsFree(qemuImg, disk, source, was, room, has - room);
        const sizeBytes = Math.min(has, room);
        const from: RawDisk = { ...source, part: { offset: 0, size: sizeBytes } };
        // Nobody has written to what is inside of a new header beyond the data: it reads as noise.
        const copyAt = (path: string): RawDisk =>
          secretFile === null ? { path } : { path, inside: secretFile, part: { offset: 0, size: sizeBytes } };
        const isAt = async (path: string): Promise<boolean> =>
          (secretFile === null || (await opens(qemuImg, { path, inside: secretFile }))) &&
          qemuImg.same(from, copyAt(path), sizeBytes);
        return work({
          sizeBytes: sizeBytes + header,
          // What is encrypted has no holes.
          dataBytes: sizeBytes + header,
          isAt,
          async writeTo(path, zeroed) {
            if (luks === null || secretFile === null) await qemuImg.copy(from, path, { sizeBytes, zeroed });
            else {
              const { cipher, keyBits } = luks;
              await formatted(qemuImg, path, { sizeBytes: room, cipher, keyBits, secretFile }, () =>
                qemuImg.encrypt(from, path, { sizeBytes, secretFile }),
              );
            }
            if (!(await isAt(path))) throw new TaskError('failed', 'the copy is not what was copied');
          },
        });
      }),
    );
}

function withOptional<T>(
  path: string,
  luks: OpenLuks | null,
  work: (secretFile: string | null) => Promise<T>,
): Promise<T> {
  return luks === null ? work(null) : withSecretFile(path, luks.passphrase, work);
}

/** Zeroes, or what nobody has ever written: of an encrypted volume that reads as noise, and lies there as zeroes. */
async function assertEndIsFree(
  qemuImg: QemuImg,
  disk: RawDisk,
  source: RawDisk,
  was: OpenLuks | null,
  offset: number,
  size: number,
): Promise<void> {
  if (await qemuImg.isEmpty({ ...source, part: { offset, size } }, size)) return;
  const raw = was === null ? null : { ...disk, part: { offset: luksHeaderBytes(was) + offset, size } };
  if (raw !== null && (await qemuImg.isEmpty(raw, size))) return;
  throw new TaskError(
    'refused',
    `the last ${size} bytes of the volume hold data, and encrypted it has no room for them: extend it by 1 GiB first`,
  );
}

/** False for what is no LUKS volume, or none that this passphrase opens. */
async function opens(qemuImg: QemuImg, disk: RawDisk): Promise<boolean> {
  try {
    await qemuImg.rawSize(disk);
    return true;
  } catch (error) {
    if (error instanceof ProgramError || error instanceof TaskError) return false;
    throw error;
  }
}
