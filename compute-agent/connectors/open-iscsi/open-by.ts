import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The kernel's numbers of block devices; one that has no node any more is left out. */
export async function numbersOf(dev: string, blocks: readonly (string | null)[]): Promise<Set<number>> {
  const numbers = new Set<number>();
  for (const block of blocks) {
    const found = block === null ? null : await stat(join(dev, block)).catch(() => null);
    if (found?.isBlockDevice() === true) numbers.add(found.rdev);
  }
  return numbers;
}

/**
 * Processes that have any of these devices open, by their ids; by device number, as libvirt gives each QEMU a `/dev` of its own. Those of
 * other users are seen only with CAP_SYS_PTRACE.
 */
export async function* openBy(numbers: ReadonlySet<number>): AsyncGenerator<string, void> {
  if (numbers.size === 0) return;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // It watches disks that nobody uses, too, and lets go when told.
    if ((await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim() === 'multipathd') continue;
    if (await hasOpen(pid, numbers)) yield pid;
  }
}

async function hasOpen(pid: string, numbers: ReadonlySet<number>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  for (const fd of await readdir(folder).catch(() => [])) {
    const target = await readlink(join(folder, fd)).catch(() => '');
    if (!target.startsWith('/dev/')) continue;
    const found = await stat(join(folder, fd)).catch(() => null);
    if (found?.isBlockDevice() === true && numbers.has(found.rdev)) return true;
  }
  return false;
}
