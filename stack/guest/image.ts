import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, glob, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { fetchKernel, type Kernel } from './kernel.ts';

/** What QEMU boots directly, without a disk. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

/** In loading order: each one's dependencies come before it. */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'virtio_blk',
  'scsi_common',
  'scsi_mod',
  'sd_mod',
  'virtio_scsi',
  'fat',
  'vfat',
  'nls_cp437',
  'nls_ascii',
  'button',
  'evdev',
];
const BUSYBOX = '/bin/busybox';
const INIT = join(import.meta.dirname, 'init');

/**
 * A small real Linux guest: Debian's cloud kernel and an initial RAM disk of busybox and `init` (which documents
 * what the guest says and understands). Cached in the folder `cache`; later calls take milliseconds.
 */
export async function buildGuest(cache: string): Promise<Guest> {
  const cacheDir = resolve(cache);
  const kernel = await fetchKernel(cacheDir);
  const hash = createHash('sha256').update(kernel.image).update(MODULES.join());
  for (const file of [INIT, BUSYBOX]) hash.update(await readFile(file));
  const initrd = join(cacheDir, `initrd-${hash.digest('hex').slice(0, 16)}.cpio`);
  if (!existsSync(initrd)) await buildInitrd(kernel, initrd);
  return { kernel: kernel.image, initrd };
}

async function buildInitrd(kernel: Kernel, target: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'blockyard-initrd-'));
  try {
    await mkdir(join(root, 'bin'));
    await mkdir(join(root, 'modules'));
    await copyFile(BUSYBOX, join(root, 'bin/busybox'));
    await copyFile(INIT, join(root, 'init'));
    await chmod(join(root, 'init'), 0o755);
    const files = ['bin', 'bin/busybox', 'init', 'modules', 'modules/order'];
    for await (const path of glob('kernel/{drivers,fs}/**/*.ko', { cwd: kernel.modules })) {
      const name = basename(path, '.ko');
      if (!MODULES.includes(name)) continue;
      await copyFile(join(kernel.modules, path), join(root, 'modules', `${name}.ko`));
      files.push(`modules/${name}.ko`);
    }
    await writeFile(join(root, 'modules/order'), `${MODULES.join('\n')}\n`);
    const draft = `${target}.${process.pid}.draft`;
    await systemRunner.run('cpio', ['--quiet', '-o', '-H', 'newc', '-R', '0:0', '-D', root, '-F', draft], {
      input: `${files.join('\n')}\n`,
    });
    await rename(draft, target);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
