import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Who has a file open, in words: a process, or a loop device. Null when nobody has, as far as this process may see: only root
 * sees what other users' processes have open. A file that is not there is open to nobody.
 */
export async function whoHasOpen(path: string): Promise<string | null> {
  const file = await stat(path).catch(() => null);
  if (file === null) return null;
  const loop = await loopOf(path);
  if (loop !== null) return loop;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const folder = `/proc/${pid}/fd`;
    for (const fd of await readdir(folder).catch(() => [])) {
      if (!(await readlink(join(folder, fd)).catch(() => '')).startsWith('/')) continue;
      const found = await stat(join(folder, fd)).catch(() => null);
      if (found?.ino === file.ino && found.dev === file.dev) return `process ${pid}`;
    }
  }
  return null;
}

async function loopOf(path: string): Promise<string | null> {
  for (const name of await readdir('/sys/block').catch(() => [])) {
    if (!name.startsWith('loop')) continue;
    const backing = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (backing.trim() === path) return `/dev/${name}`;
  }
  return null;
}
