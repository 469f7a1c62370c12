import { mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { freePort } from '#stack/servers/port.ts';
import { type Server, startServer } from '#stack/servers/server.ts';
import { keepUsed, prune } from './cache.ts';
import { dependenciesDisk } from './dependencies-disk.ts';
import type { Image } from './image/build.ts';
import { findAccelerator } from './machine/accelerator.ts';
import { type Cable, type Disk, qemuArguments } from './machine/qemu.ts';
import { type MachineFile, writeInitrd } from './machine/seed.ts';
import { type ExecOptions, type ExecResult, prepareSsh } from './machine/ssh.ts';
import type { Node } from './nodes.ts';

export interface MachineOptions {
  readonly node: Node;
  /** Empty folder for everything of this machine; made when missing. At most 60 characters: it holds Unix sockets. */
  readonly dir: string;
  readonly image: Image;
  /** Project folder; inside it is `/opt/blockyard`, read-only, with an empty `.data`. */
  readonly tree: string;
  /** Besides the root; raw files that are there already, such as `makeDisk` makes. */
  readonly disks?: readonly Disk[];
  readonly cable?: Cable;
  readonly files?: readonly MachineFile[];
  /** tar archives unpacked over the root at the first boot; one that does not exist is left out. */
  readonly archives?: readonly string[];
  /** Units that start at boot, besides those of the role. */
  readonly wants?: readonly string[];
}

/** A virtual machine of the lab. Root's disk is thrown away with it and outlives a reset. */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** On the host: its sockets, keys and logs. */
  readonly dir: string;
  /** `ssh -F <this> <name>` from the host. */
  readonly sshConfig: string;
  /** What the serial console has said since the machine was made. */
  readonly consoleLog: string;
  /** A root shell is on it, for `socat - UNIX-CONNECT:<this>`. */
  readonly consoleSocket: string;
  /** Runs a shell command as root; resolves whatever its exit code is. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /**
   * The same for commands that must not fail.
   * @returns standard output without its last newline.
   * @throws Error with command, exit code and standard error.
   */
  sh(command: string, options?: ExecOptions): Promise<string>;
  /** Copies a file of the host into the machine. */
  put(file: string, target: string): Promise<void>;
  /** Copies a file of the machine to the host. */
  get(target: string, file: string): Promise<void>;
  /** Brings a Unix socket of the machine to this side, until its power is cut. */
  forward(local: string, remote: string): Promise<void>;
  /**
   * Copies what a file of the machine holds and gets, also when it is emptied, until the power is cut.
   * @returns the file on this side: `<name>.log` in `dir`
   */
  follow(remote: string, name: string): Promise<string>;
  /** Cuts the power: nothing is flushed. */
  powerOff(): Promise<void>;
  /** Resolves when ssh answers. */
  powerOn(): Promise<void>;
  /** Cuts the power and boots anew with the same disks. */
  reset(): Promise<void>;
  /** Cuts the power for good and removes the machine's folder. */
  stop(): Promise<void>;
}

const BOOT_DEADLINE_MS = 240_000;

/**
 * Boots a machine and resolves when ssh answers.
 * @throws Error with the console's last lines when it does not come up within four minutes.
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { node, dir, image } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const sshPort = await freePort();
  const ssh = await prepareSsh(node.name, dir, sshPort);
  const [initrd, root] = [join(dir, 'initrd'), join(dir, 'root.qcow2')];
  const [consoleSocket, consoleLog] = [join(dir, 'console'), join(dir, 'console.log')];
  const files = [...names(node), ...node.files, ...ssh.files, ...(options.files ?? [])];
  const seed = { files, archives: options.archives ?? [], network: network(node) };
  await writeInitrd(image.initrd, seed, initrd);
  await systemRunner.run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', image.root, root]);
  const cache = dirname(dirname(image.kernel));
  const dependencies = await dependenciesDisk(cache, options.tree);
  const used = await keepUsed([dirname(image.kernel), dependencies.path]);
  await prune(cache);
  const args = qemuArguments({
    image,
    initrd,
    root,
    sshPort,
    consoleSocket,
    consoleLog,
    number: node.number,
    memoryMiB: node.memoryMiB,
    cpus: availableParallelism() < 4 ? 1 : 2,
    accelerator: await findAccelerator(image),
    disks: [...(options.disks ?? []), dependencies],
    tree: options.tree,
    cable: options.cable,
    wants: [...node.wants, ...(options.wants ?? [])],
  });
  let running: Server[] = [];

  let booting: Promise<unknown> = Promise.resolve();

  const powerOff = async (): Promise<void> => {
    await booting.catch(() => undefined);
    for (const server of running.splice(0)) await server.stop();
  };
  const boot = async (): Promise<void> => {
    // QEMU writes this file anew at each start.
    await rm(consoleLog, { force: true });
    const says = async (): Promise<string> => await readFile(consoleLog, 'utf8').catch(() => '');
    const qemu = await startServer({
      name: 'qemu',
      program: 'qemu-system-x86_64',
      args,
      dir,
      endSignal: 'SIGKILL',
      deadlineMs: BOOT_DEADLINE_MS,
      // The console's shell may have written its prompt before it, on the same line.
      ready: async () => /lab: ready\r?$/m.test(await says()),
    }).catch(async (error: unknown) => {
      const end = (await says()).trimEnd().split('\n').slice(-15).join('\n');
      throw new Error(`${node.name} did not boot: ${String(error)}\nIts console ends:\n${end}`);
    });
    running = [qemu];
    running.unshift(await ssh.connect());
  };
  const powerOn = async (): Promise<void> => {
    booting = boot();
    await booting;
  };
  const sh = async (command: string, execOptions?: ExecOptions): Promise<string> => {
    const { stdout, stderr, exitCode } = await ssh.exec(command, execOptions);
    if (exitCode === 0) return stdout;
    throw new Error(`on ${node.name}, exit code ${exitCode}: ${command}\n${stderr}`);
  };
  const stop = async (): Promise<void> => {
    await powerOff();
    used[Symbol.dispose]();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await powerOn();
  } catch (error) {
    await powerOff();
    used[Symbol.dispose]();
    throw error;
  }
  return {
    name: node.name,
    dir,
    sshConfig: ssh.config,
    consoleLog,
    consoleSocket,
    exec: (command, execOptions) => ssh.exec(command, execOptions),
    sh,
    put: (file, target) => ssh.put(file, target),
    get: (target, file) => ssh.get(target, file),
    forward: (local, remote) => ssh.forward(local, remote),
    async follow(remote, name) {
      const copy = join(dir, `${name}.log`);
      await rm(copy, { force: true });
      running.unshift(await ssh.follow(remote, name));
      return copy;
    },
    powerOff,
    powerOn,
    async reset() {
      await powerOff();
      await powerOn();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Makes a sparse disk. */
export async function makeDisk(path: string, serial: string, sizeGib: number): Promise<Disk> {
  await systemRunner.run('truncate', ['--size', `${sizeGib}G`, path]);
  return { serial, path };
}

function names({ name }: Node): MachineFile[] {
  return [
    { path: '/etc/hostname', content: `${name}\n` },
    { path: '/etc/hosts', content: `127.0.0.1 localhost ${name}\n::1 localhost\n10.0.2.2 host\n` },
  ];
}

/** Arguments of `ip`. */
function network({ addresses }: Node): string[] {
  return [
    'link set lo up',
    'link set eth0 up',
    'addr add 10.0.2.15/24 dev eth0',
    'route add default via 10.0.2.2',
    'link set eth1 up',
    ...addresses.map((address) => `addr add ${address}/${address.includes(':') ? 64 : 24} dev eth1`),
  ];
}
