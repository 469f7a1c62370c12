import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Runner, systemRunner } from '#agent/run.ts';

const META_PACKAGE = 'linux-image-cloud-amd64';

/** Debian's kernel for virtual machines, unpacked and not installed: installing one would run boot loader hooks. */
export interface Kernel {
  readonly image: string;
  /** Folder of the kernel's modules, uncompressed `.ko` files in subfolders. */
  readonly modules: string;
}

/**
 * Downloads the kernel's package once.
 * @throws ProgramError when apt cannot find or fetch it.
 */
export async function fetchKernel(cacheDir: string, runner: Runner = systemRunner): Promise<Kernel> {
  const folder = join(cacheDir, 'kernel');
  if (!existsSync(folder)) {
    await mkdir(cacheDir, { recursive: true });
    const draft = await mkdtemp(join(cacheDir, 'kernel.draft-'));
    try {
      await download(draft, runner).catch(async () => {
        // The package lists may be missing or name a version that the archive has since replaced.
        await runner.run('apt-get', ['-q', 'update'], { timeoutMs: 120_000 });
        await download(draft, runner);
      });
      await rename(draft, folder).catch((error: unknown) => {
        // Somebody else was faster.
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
  const [version] = await readdir(join(folder, 'lib/modules'));
  if (version === undefined) throw new Error(`no kernel in ${folder}: remove that folder and try again`);
  return {
    image: join(folder, 'boot', `vmlinuz-${version}`),
    modules: join(folder, 'lib/modules', version),
  };
}

async function download(folder: string, runner: Runner): Promise<void> {
  const { stdout } = await runner.run('apt-cache', ['depends', '--important', META_PACKAGE]);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`apt does not say which kernel ${META_PACKAGE} stands for`);
  const { stdout: uris } = await runner.run('apt-get', ['--print-uris', 'download', name]);
  const file = / (linux-image-\S+\.deb) /.exec(uris)?.[1];
  if (file === undefined) throw new Error(`apt cannot download ${name}`);
  // apt-get downloads into the current folder. Its sandbox user could not write there, and is none in a user namespace.
  const fetch = 'cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$2"';
  await runner.run('sh', ['-c', fetch, 'sh', folder, name], { timeoutMs: 300_000 });
  await runner.run('dpkg-deb', ['-x', join(folder, file), folder], { timeoutMs: 60_000 });
  await rm(join(folder, file));
}
