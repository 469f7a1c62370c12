import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '#stack/environment.ts';
import type { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import type { Machine } from './machine.ts';
import { openRemoteConsole } from './remote-console.ts';

/** The test guest as a domain of the compute node, on a disk of its own (`/dev/vda`), started at each boot. */
export class DemoInstance implements AsyncDisposable {
  /** In libvirt and in the API. */
  readonly name = 'demo-instance1';
  /** As a server of the API, and the domain's UUID. */
  readonly id: string = randomUUID();
  readonly #machine: Machine;
  #console: GuestConsole | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** What its serial console has said since it started. */
  get text(): string {
    return this.#console?.text ?? '';
  }

  /**
   * Tells the guest a line (`stack/guest/init` says which) and resolves with its answer's lines.
   * @throws Error when the guest says that it failed.
   */
  async command(line: string, deadlineMs?: number): Promise<string[]> {
    if (this.#console === undefined) throw new Error(`${this.name} has not been started`);
    return await this.#console.command(line, deadlineMs);
  }

  /**
   * Resolves when it has booted: at first, and again after its machine was reset. Nobody but the machine starts it.
   * @throws Error when it does not within `deadlineMs` (milliseconds, default 180,000).
   */
  async rebooted(deadlineMs = 180_000): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    await this.#close();
    // QEMU empties the console's log at the start: what is read from then on is of this boot.
    while ((await this.#machine.exec(`virsh domstate ${this.name}`)).stdout.trim() !== 'running') {
      if (performance.now() > deadline)
        throw new Error(`${this.name} does not run after ${deadlineMs / 1_000} s`);
      await sleep(250);
    }
    this.#console = await openRemoteConsole(this.#machine, FOLDER, this.name);
    await this.#console.waitFor(/^guest: ready$/m, {
      deadlineMs: Math.max(0, Math.ceil(deadline - performance.now())),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.#console?.[Symbol.asyncDispose]();
    this.#console = undefined;
  }
}

const FOLDER = '/var/lib/lab';
/** libvirt first asks QEMU at length what it can do. */
const START_MS = 180_000;
const ROOT_DISK = '64M';

/** Defines and starts it as an operator would, with virsh. */
export async function startDemoInstance(options: {
  readonly machine: Machine;
  readonly stack: Pick<Stack, 'project'>;
  readonly cacheDir: string;
}): Promise<DemoInstance> {
  const { machine, stack } = options;
  const instance = new DemoInstance(machine);
  const { name, id: uuid } = instance;
  const [kernel, initrd, disk] = ['kernel', 'initrd', 'disk'].map((file) => join(FOLDER, file)) as [
    string,
    string,
    string,
  ];
  const guest = await buildGuest(options.cacheDir);
  await machine.sh(
    `mkdir -p ${FOLDER} && chown libvirt-qemu: ${FOLDER} && truncate --size ${ROOT_DISK} ${disk}`,
  );
  await machine.put(guest.kernel, kernel);
  await machine.put(guest.initrd, initrd);
  const xml = guestDomainXml({
    name,
    uuid,
    kernel,
    initrd,
    type: (await machine.exec('test -w /dev/kvm')).exitCode === 0 ? 'kvm' : 'qemu',
    consoleSocket: `${FOLDER}/${name}.sock`,
    consoleLog: `${FOLDER}/${name}.log`,
    devices: `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${disk}'/>
      <target dev='vda' bus='virtio'/><serial>own-disk</serial></disk>`,
    project: stack.project,
  });
  await machine.sh(`cat >${FOLDER}/${name}.xml && virsh define ${FOLDER}/${name}.xml`, {
    input: xml,
    timeoutMs: START_MS,
  });
  await machine.sh(`virsh autostart ${name} && virsh start ${name}`, { timeoutMs: START_MS });
  await instance.rebooted();
  return instance;
}
