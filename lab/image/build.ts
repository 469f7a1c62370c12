import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { glob, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Runner, systemRunner } from '#agent/run.ts';
import { debianSources } from './sources.ts';

/** What lab machines boot from. Nobody writes to these files. */
export interface Image {
  readonly kernel: string;
  /** Uncompressed cpio archive: another one may be put behind it. */
  readonly initrd: string;
  /** qcow2, for overlays on top of it. */
  readonly root: string;
}

const HERE = import.meta.dirname;
const BUILD_DEADLINE_MS = 30 * 60_000;

/** Documentation and drivers of hardware that no virtual machine has: two thirds of the size. */
const EXCLUDED = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/info/*',
  '/lib/modules/*/kernel/drivers/gpu/*',
  '/lib/modules/*/kernel/drivers/media/*',
  '/lib/modules/*/kernel/drivers/infiniband/*',
  '/lib/modules/*/kernel/drivers/net/wireless/*',
  '/lib/modules/*/kernel/drivers/net/ethernet/*',
  '/lib/modules/*/kernel/drivers/staging/*',
  '/lib/modules/*/kernel/drivers/iio/*',
  '/lib/modules/*/kernel/drivers/usb/*',
  '/lib/modules/*/kernel/drivers/hid/*',
  '/lib/modules/*/kernel/drivers/input/*',
  '/lib/modules/*/kernel/drivers/mtd/*',
  '/lib/modules/*/kernel/sound/*',
];

/**
 * The machines' image, made of Debian packages by mmdebstrap, without a loop device or mount of ours. Its folder below
 * `cacheDir` is named by the hash of everything that it is made from (package versions apart), so it is built once.
 * @param progress told what takes long.
 * @throws ProgramError when mmdebstrap fails, with its last complaint.
 */
export async function buildImage(
  cacheDir: string,
  progress: (line: string) => void = () => {},
  runner: Runner = systemRunner,
): Promise<Image> {
  const sources = await debianSources(runner);
  const folder = join(resolve(cacheDir), await hashOfInputs(sources.lines));
  if (!existsSync(folder)) {
    progress(
      `building the image of the lab's machines from Debian ${sources.suite} packages: one to three minutes, once`,
    );
    await mkdir(cacheDir, { recursive: true });
    const draft = await mkdtemp(`${folder}.draft-`);
    try {
      await mmdebstrap(draft, sources, runner);
      await rename(draft, folder).catch((error: unknown) => {
        // Somebody else was faster.
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
  return {
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd'),
    root: join(folder, 'root.qcow2'),
  };
}

/** Every file of this folder, its name and whether it is executable, and where packages come from. */
async function hashOfInputs(sources: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(process.arch).update(sources.join('\n'));
  const files: string[] = [];
  for await (const entry of glob('**/*', { cwd: HERE, withFileTypes: true }))
    if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
  for (const file of files.toSorted()) {
    const executable = ((await stat(file)).mode & 0o111) !== 0;
    hash.update(`\0${file.slice(HERE.length)}\0${executable}\0`).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 16);
}

async function mmdebstrap(
  folder: string,
  sources: { readonly suite: string; readonly lines: readonly string[] },
  runner: Runner,
): Promise<void> {
  const packages = (await readFile(join(HERE, 'packages'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const download = ['vmlinuz', 'initrd', 'root.qcow2'].map(
    (name) => `--customize-hook=download "/out/${name}" "${join(folder, name)}"`,
  );
  await runner.run(
    'mmdebstrap',
    [
      '--quiet',
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      '--aptopt=APT::Install-Recommends "false"',
      '--aptopt=Acquire::Languages "none"',
      ...EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
      `--customize-hook="${join(HERE, 'customize')}" "$1"`,
      ...download,
      sources.suite,
      '/dev/null',
      ...sources.lines,
    ],
    // The kernel's package shall not make an initial RAM disk: ours is smaller.
    { timeoutMs: BUILD_DEADLINE_MS, env: { INITRD: 'No' } },
  );
}
