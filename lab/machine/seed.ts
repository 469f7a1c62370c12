import { existsSync } from 'node:fs';
import { appendFile, chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

/** A file of one machine; it replaces the image's. */
export interface MachineFile {
  /** Absolute. */
  readonly path: string;
  readonly content: string;
  /** Default 0o644. */
  readonly mode?: number;
}

/** What one machine's first program needs to know. */
export interface Seed {
  readonly files: readonly MachineFile[];
  /** tar archives unpacked over the root at the first boot only; one that does not exist is left out. */
  readonly archives: readonly string[];
  /** `ip` commands without the word itself, run before systemd starts. */
  readonly network: readonly string[];
}

/**
 * Writes the initial RAM disk of one machine: the image's, and behind it an archive with what is this machine's own.
 * No disk holds the machine's secrets then but the overlay that is thrown away.
 */
export async function writeInitrd(imageInitrd: string, seed: Seed, target: string): Promise<void> {
  const folder = `${target}.files`;
  await rm(folder, { recursive: true, force: true });
  for (const { path, content, mode = 0o644 } of seed.files) {
    const file = join(folder, 'machine', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, mode);
  }
  for (const archive of seed.archives.filter((each) => existsSync(each))) {
    await mkdir(join(folder, 'first-boot'), { recursive: true });
    await execa('tar', ['--extract', '--file', archive, '--directory', join(folder, 'first-boot')]);
  }
  const script = ['#!/bin/sh', ...seed.network.map((command) => `ip ${command}`), ''].join('\n');
  // A duplicate address would be our own mistake; looking for one takes a second.
  const noDad = 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad\n';
  await writeFile(join(folder, 'network'), script.replace('\n', `\n${noDad}`), { mode: 0o755 });
  const archive = `${target}.cpio`;
  await execa('sh', ['-c', 'find . | cpio --quiet -o -H newc -R 0:0', 'sh'], {
    cwd: folder,
    stdout: { file: archive },
  });
  await rm(target, { force: true });
  await copyFile(imageInitrd, target);
  await chmod(target, 0o600);
  await appendFile(target, await readFile(archive));
  await rm(archive);
  await rm(folder, { recursive: true });
}
