import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A folder that one stack at a time owns. */
export interface RunDir {
  /**
   * Short enough for the Unix sockets below it and without spaces; may be a symbolic link to the folder asked for.
   */
  readonly path: string;
  release(): Promise<void>;
}

/** A Unix socket's path has 107 characters at most; libvirt adds up to 60 to ours. */
const LONGEST = 45;

/**
 * Makes the folder and locks it until `release` or the end of this process, however it ends.
 * @throws Error when another stack runs in it.
 */
export async function claimRunDir(folder: string): Promise<RunDir> {
  const real = resolve(folder);
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 12);
  // The kernel frees an abstract socket's name with the process that holds it.
  const lock = createServer();
  lock.listen(`\0blockyard-${hash}`);
  await once(lock, 'listening').catch(() => {
    throw new Error(`another stack runs in ${real}`);
  });
  lock.unref();
  await mkdir(real, { recursive: true, mode: 0o700 });
  const link = join(tmpdir(), `by-${hash}`);
  const needsLink = real.length > LONGEST || !/^[\w./-]+$/.test(real);
  if (needsLink) await linkTo(real, link);
  return {
    path: needsLink ? link : real,
    release: async () => {
      if (needsLink) await rm(link, { force: true });
      lock.close();
    },
  };
}

async function linkTo(real: string, link: string): Promise<void> {
  const there = await readlink(link).catch(() => undefined);
  if (there !== real) await symlink(real, link);
}
