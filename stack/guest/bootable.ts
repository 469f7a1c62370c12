import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { buildGuest } from './image.ts';

const SIZE_MIB = 64;

/** `greet`: at each boot the guest writes hello.txt on this very disk. */
const SYSLINUX_CFG = `DEFAULT guest
LABEL guest
  KERNEL vmlinuz
  INITRD initrd
  APPEND console=ttyS0 quiet loglevel=1 panic=-1 tsc=unstable random.trust_cpu=on greet=vda
`;

/**
 * A raw disk image of 64 MiB from which a BIOS machine boots the test guest: one FAT file system without partitions, with
 * SYSLINUX on it. Made without mounting anything; cached in the folder `cache`.
 * @returns the image's path
 */
export async function buildBootableImage(cache: string): Promise<string> {
  const { kernel, initrd } = await buildGuest(cache);
  const hash = createHash('sha256').update(initrd).update(kernel).update(SYSLINUX_CFG).digest('hex');
  const image = join(dirname(initrd), `bootable-${hash.slice(0, 16)}.raw`);
  if (existsSync(image)) return image;
  const draft = `${image}.${process.pid}.draft`;
  const config = `${draft}.cfg`;
  try {
    await writeFile(config, SYSLINUX_CFG);
    // `-C` makes the file, in KiB. A fixed serial number, so that equal inputs make equal images.
    await systemRunner.run('mkfs.vfat', [
      '-F',
      '16',
      '-i',
      'b10c0000',
      '-C',
      draft,
      String(SIZE_MIB * 1_024),
    ]);
    for (const [file, name] of [
      [kernel, 'vmlinuz'],
      [initrd, 'initrd'],
      [config, 'syslinux.cfg'],
    ] as const)
      await systemRunner.run('mcopy', ['-i', draft, file, `::${name}`]);
    await systemRunner.run('syslinux', ['--install', draft]);
    await rename(draft, image);
    return image;
  } finally {
    await rm(draft, { force: true });
    await rm(config, { force: true });
  }
}
