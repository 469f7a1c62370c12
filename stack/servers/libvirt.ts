import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { PID_FILES, prepareLibvirtHome } from './libvirt-home.ts';
import { type Server, startServer } from './server.ts';

export interface LibvirtOptions {
  /** Folder for its configuration, state, sockets and log; made when missing. At most 45 characters: it holds Unix sockets. */
  readonly dir: string;
  /** Where it remembers what QEMU can do (the first probe takes seconds); may be shared by several. */
  readonly cacheDir: string;
}

export interface LibvirtServer extends Server {
  /** What `virsh --connect` wants. */
  readonly uri: string;
}

/**
 * A private libvirt daemon, so that several can stand side by side and beside the system's.
 * `stop` destroys the domains that run in it; their definitions stay in `dir`.
 */
export async function startLibvirt({ dir, cacheDir }: LibvirtOptions): Promise<LibvirtServer> {
  const home = await prepareLibvirtHome(dir, cacheDir);
  const config = join(dir, 'libvirtd.conf');
  await writeFile(config, `auth_unix_rw = "none"\n${home.settings}`);
  const uri = `qemu+unix:///${home.mode}?socket=${home.socket}`;
  const server = await startServer({
    name: 'libvirtd',
    program: home.program,
    args: [...home.args, 'libvirtd', '--config', config, '--pid-file', join(dir, 'own.pid')],
    env: home.env,
    dir,
    deadlineMs: 60_000,
    ready: async () => existsSync(home.socket) && (await virsh(uri, 'version')) !== '',
  });
  const stop = async (): Promise<void> => {
    await destroyDomains(uri);
    await server.stop();
    await killGuests(dir);
  };
  return { ...server, uri, stop, [Symbol.asyncDispose]: stop };
}

async function virsh(uri: string, ...args: string[]): Promise<string> {
  return (await systemRunner.run('virsh', ['--connect', uri, ...args], { timeoutMs: 60_000 })).stdout;
}

async function destroyDomains(uri: string): Promise<void> {
  const names = await virsh(uri, 'list', '--uuid').catch(() => '');
  await Promise.all(
    names.split('\n').map(async (uuid) => {
      if (uuid !== '') await virsh(uri, 'destroy', uuid).catch(() => '');
    }),
  );
}

/** Ends the guests of the daemon in `dir` that `virsh destroy` did not reach: QEMU outlives its libvirtd. */
export async function killGuests(dir: string): Promise<void> {
  for (const folder of PID_FILES.map((name) => join(dir, name))) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!name.endsWith('.pid') || name === 'driver.pid') continue;
      const pid = Number(await readFile(join(folder, name), 'utf8').catch(() => ''));
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      // Its name is in there; another process may have got the number.
      if (commandLine.includes(`guest=${name.slice(0, -'.pid'.length)},`)) process.kill(pid, 'SIGKILL');
    }
  }
}
