import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../errno.ts';

/** What device-mapper calls a device; nulls for one that is none of its own. */
interface Mapped {
  /** Changed by LVM before its command ends, whatever udev does; no two devices have the same. */
  readonly name: string | null;
  /** Of an active logical volume: LVM's UUIDs of its group and of itself, which no rename changes and no other volume ever gets. */
  readonly id: string | null;
}

/** By the numbers of block devices: links and nodes lead to them by any name. */
const SYSFS = '/sys/dev/block';

/** The device that this path leads to; null when it leads nowhere. */
export async function mappedAt(path: string, sysfs = SYSFS): Promise<Mapped | null> {
  const found = await orNull(stat(path));
  if (found === null) return null;
  if (!found.isBlockDevice()) return { name: null, id: null };
  const folder = join(sysfs, numbersOf(found.rdev), 'dm');
  const [name, id] = await Promise.all(
    ['name', 'uuid'].map((file) => orNull(readFile(join(folder, file), 'utf8'))),
  );
  return { name: name?.trim() ?? null, id: id?.trim() ?? null };
}

/** As device-mapper names a logical volume. Source: lvm2 libdm/libdm-string.c (`dm_build_dm_name`). */
export function mappedName(group: string, volume: string): string {
  return [group, volume].map((part) => part.replaceAll('-', '--')).join('-');
}

/** As device-mapper identifies a logical volume, of the UUIDs that LVM tells. Source: lvm2 lib/activate/dev_manager.c (`build_dm_uuid`). */
export function mappedId(groupUuid: string, volumeUuid: string): string {
  return `LVM-${`${groupUuid}${volumeUuid}`.replaceAll('-', '')}`;
}

/** makedev(3), as the kernel prints it. */
function numbersOf(device: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}

async function orNull<T>(looking: Promise<T>): Promise<T | null> {
  try {
    return await looking;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
