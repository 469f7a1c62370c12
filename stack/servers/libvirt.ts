import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemRunner } from '#agent/run.ts';
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
 * A private libvirt daemon in session mode, so that several can stand side by side and beside the system's.
 * `stop` destroys the domains that run in it; their definitions stay in `dir`.
 */
export async function startLibvirt({ dir, cacheDir }: LibvirtOptions): Promise<LibvirtServer> {
  const folders = {
    XDG_CONFIG_HOME: join(dir, 'config'),
    XDG_DATA_HOME: join(dir, 'data'),
    XDG_RUNTIME_DIR: join(dir, 'run'),
    XDG_CACHE_HOME: resolve(cacheDir),
  };
  for (const folder of [dir, ...Object.values(folders), join(folders.XDG_CONFIG_HOME, 'libvirt')])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folders.XDG_CONFIG_HOME, 'libvirt/qemu.conf'), QEMU_CONF);
  await writeFile(join(dir, 'libvirtd.conf'), LIBVIRTD_CONF);

  const socket = join(folders.XDG_RUNTIME_DIR, 'libvirt/libvirt-sock');
  const uri = `qemu+unix:///session?socket=${socket}`;
  const server = await startServer({
    name: 'libvirtd',
    program: 'unshare',
    args: [
      ...AS_A_USER,
      'setpriv',
      '--pdeathsig',
      'TERM',
      'libvirtd',
      '--config',
      join(dir, 'libvirtd.conf'),
    ],
    env: { ...folders, HOME: dir, ...NO_DBUS },
    dir,
    deadlineMs: 60_000,
    ready: async () => existsSync(socket) && (await virsh(uri, 'version')) !== '',
  });
  const stop = async (): Promise<void> => {
    await destroyDomains(uri);
    await server.stop();
    await killGuests(dir);
  };
  return { ...server, uri, stop, [Symbol.asyncDispose]: stop };
}

/**
 * libvirtd takes session mode only from a user that isn't root. In a user namespace of its own it is user 1000 to
 * itself while the kernel sees the same user outside as before. `setpriv` comes after it: entering the namespace clears the
 * death signal.
 */
const AS_A_USER = ['--user', '--map-user=1000', '--map-group=1000'];

const NO_DBUS = {
  DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nonexistent',
  DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent',
};

// "file": QEMU writes consoles itself, without a log daemon.
const QEMU_CONF = `security_driver = "none"
stdio_handler = "file"
`;

const LIBVIRTD_CONF = `auth_unix_rw = "none"
`;

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
  const pidFiles = join(dir, 'run/libvirt/qemu/run');
  for (const name of await readdir(pidFiles).catch(() => [])) {
    if (!name.endsWith('.pid') || name === 'driver.pid') continue;
    const pid = Number(await readFile(join(pidFiles, name), 'utf8').catch(() => ''));
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(`${dir}/`)) process.kill(pid, 'SIGKILL');
  }
}
