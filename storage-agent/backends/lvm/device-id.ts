import { readFile, realpath } from 'node:fs/promises';
import { basename } from 'node:path';

/**
 * What device-mapper calls an active logical volume: LVM's UUIDs of its group and of itself, which no rename changes and no
 * other volume ever gets. Null when there is no such device.
 * Source: lvm2 lib/activate/dev_manager.c (`build_dm_uuid`).
 */
export async function deviceId(path: string): Promise<string | null> {
  try {
    const device = basename(await realpath(path));
    const id = (await readFile(`/sys/class/block/${device}/dm/uuid`, 'utf8')).trim();
    return id.startsWith('LVM-') ? id : null;
  } catch {
    return null;
  }
}
