import { constants, open } from 'node:fs/promises';

/** LUKS On-Disk Format Specification 1.2.3, "phdr": the magic bytes, and the version in two bytes. */
const VERSION_1 = Buffer.from('LUKS\u00ba\u00be\u0000\u0001', 'latin1');

/** Whether a device or file begins as what we encrypt does; null when it cannot be read, as where LVM has no device of it. */
export async function beginsWithLuks(path: string): Promise<boolean | null> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(VERSION_1.length), 0, VERSION_1.length, 0);
    return bytesRead === VERSION_1.length && buffer.equals(VERSION_1);
  } catch {
    return null;
  }
}
