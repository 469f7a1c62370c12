import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openBy } from './open-by.ts';

/**
 * Removes the nodes of devices that are about to be taken from under their users, from each `/dev` that libvirt has made for one QEMU
 * alone. What QEMU has open stays open. libvirt opens such a node to give it back to its former owner when the guest lets go; of a
 * device that is gone it can't, keeps the owner on record, and refuses the next disk that gets the same name. The next
 * one may be another project's, too: QEMU would find it there.
 * Source: libvirt src/security/security_manager.c (`virSecurityManagerMetadataLock`), src/qemu/qemu_namespace.c.
 * @param numbers the devices' numbers; while they are there, no other device can have one of them.
 */
export async function removePrivateNodes(numbers: ReadonlySet<number>): Promise<void> {
  const everybodys = (await stat('/dev')).dev;
  for await (const pid of openBy(numbers)) {
    const dev = `/proc/${pid}/root/dev`;
    // The kernel's own (devtmpfs) is the same one in every namespace.
    if (((await stat(dev).catch(() => null))?.dev ?? everybodys) === everybodys) continue;
    for (const name of await readdir(dev).catch(() => [])) {
      const node = join(dev, name);
      const found = await lstat(node).catch(() => null);
      if (found?.isBlockDevice() === true && numbers.has(found.rdev)) await rm(node, { force: true });
    }
  }
}
