import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemRunner } from '#agent/run.ts';

/** How one libvirt daemon is started so that it shares nothing with another one, nor with the system's. */
export interface LibvirtHome {
  readonly program: 'unshare';
  /** Arguments up to and without the daemon's own. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Lines of libvirtd.conf. */
  readonly settings: string;
  readonly socket: string;
  /** Of libvirt's connection URI. */
  readonly mode: 'session' | 'system';
}

/** Where the running guests' `NAME.pid` files are below a daemon's folder, in either mode. */
export const PID_FILES = ['run/libvirt/qemu/run', 'state/qemu'];

// "file": QEMU writes consoles itself, without a log daemon.
const QEMU_CONF = `security_driver = "none"
stdio_handler = "file"
`;
const QEMU_CONF_OF_ROOT = `${QEMU_CONF}user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
`;

/**
 * Session mode if the kernel lets us, else system mode with the system's folders hidden behind ours.
 * @throws ProgramError when neither user nor mount namespaces are to be had.
 */
export async function prepareLibvirtHome(dir: string, cacheDir: string): Promise<LibvirtHome> {
  const canHaveUser = await systemRunner.run('unshare', [...AS_A_USER, 'true']).then(
    () => true,
    () => false,
  );
  return canHaveUser ? await sessionHome(dir, resolve(cacheDir)) : await systemHome(dir, resolve(cacheDir));
}

/**
 * libvirtd takes session mode only from a user that isn't root. In a user namespace of its own it is user 1
 * (`daemon`, it must be in the user database) to itself while the kernel sees the same user outside as before. `setpriv` comes after it: entering the namespace
 * clears the death signal.
 */
const AS_A_USER = ['--user', '--map-user=1', '--map-group=1'];
const DIE_WITH_PARENT = ['setpriv', '--pdeathsig', 'TERM'];
const NO_DBUS = {
  DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nonexistent',
  DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent',
};

async function sessionHome(dir: string, cacheDir: string): Promise<LibvirtHome> {
  const folders = {
    XDG_CONFIG_HOME: join(dir, 'config'),
    XDG_DATA_HOME: join(dir, 'data'),
    XDG_RUNTIME_DIR: join(dir, 'run'),
    XDG_CACHE_HOME: cacheDir,
  };
  await makeFolders([...Object.values(folders), join(folders.XDG_CONFIG_HOME, 'libvirt')]);
  await writeFile(join(folders.XDG_CONFIG_HOME, 'libvirt/qemu.conf'), QEMU_CONF);
  return {
    program: 'unshare',
    args: [...AS_A_USER, ...DIE_WITH_PARENT],
    env: { ...folders, HOME: dir, ...NO_DBUS },
    settings: '',
    socket: join(folders.XDG_RUNTIME_DIR, 'libvirt/libvirt-sock'),
    mode: 'session',
  };
}

/** Where a kernel forbids user namespaces, a chroot for one: root's libvirtd, with our folders mounted over its own. */
async function systemHome(dir: string, cacheDir: string): Promise<LibvirtHome> {
  const folders = {
    '/etc/libvirt': join(dir, 'etc'),
    '/run/libvirt': join(dir, 'state'),
    '/var/lib/libvirt': join(dir, 'lib'),
    '/var/log/libvirt': join(dir, 'log'),
    '/var/cache/libvirt': join(cacheDir, 'system'),
  };
  await makeFolders([...Object.values(folders), ...Object.keys(folders)]);
  const sockets = join(dir, 'run');
  await makeFolders([sockets]);
  await writeFile(join(dir, 'etc/qemu.conf'), QEMU_CONF_OF_ROOT);
  // It insists on Debian's user for QEMU, which only the package of the system's daemon makes.
  const accounts = { '/etc/passwd': join(dir, 'passwd'), '/etc/group': join(dir, 'group') };
  await writeFile(
    accounts['/etc/passwd'],
    `${await readFile('/etc/passwd', 'utf8')}libvirt-qemu:x:0:0::/:/bin/false\n`,
  );
  await writeFile(accounts['/etc/group'], `${await readFile('/etc/group', 'utf8')}libvirt-qemu:x:0:\n`);
  const mounts = Object.entries({ ...folders, ...accounts }).map(
    ([theirs, ours]) => `mount --bind '${ours}' ${theirs} && `,
  );
  return {
    program: 'unshare',
    args: ['--mount', 'sh', '-c', `${mounts.join('')}exec "$@"`, 'sh', ...DIE_WITH_PARENT],
    env: NO_DBUS,
    settings: `unix_sock_dir = "${sockets}"\n`,
    socket: join(sockets, 'libvirt-sock'),
    mode: 'system',
  };
}

async function makeFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
}
