import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type StartCompanion, systemCompanion } from '#agent/companion.ts';
import type { Handlers } from '#agent/handlers.ts';
import { KeyedMutex } from '#agent/keyed-mutex.ts';
import { systemRunner } from '#agent/run.ts';
import type { Connector } from '#compute-agent/connectors/connector.ts';
import { libiscsiConnector } from '#compute-agent/connectors/libiscsi.ts';
import { createComputeHandlers } from '#compute-agent/handlers.ts';
import { type DomainEvents, watchDomains } from '#compute-agent/libvirt/events.ts';
import { openVirsh, type Virsh } from '#compute-agent/libvirt/virsh/virsh.ts';
import { machineChooser } from '#compute-agent/servers/machine.ts';
import { createSecrets } from '#queues/secrets.ts';
import type { TaskInput } from '#schema/tasks.ts';
import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { type LibvirtServer, startLibvirt } from '#stack/servers/libvirt.ts';
import { startTgtd, type TgtdServer } from '#stack/servers/tgtd.ts';

const INITIATOR = 'iqn.2010-10.org.blockyard:host:lab';
const MIB = 2 ** 20;
export const SECRETS = createSecrets('ab'.repeat(32));

/** A volume behind a real iSCSI target, with the CHAP secret that opens it. */
export interface LabVolume {
  readonly id: string;
  readonly tid: number;
  readonly image: string;
  readonly secret: string;
}

/** Real libvirt, QEMU and tgt, private to one test file, and the handlers under test. */
export class Lab implements AsyncDisposable {
  readonly dir: string;
  libvirt: LibvirtServer;
  readonly tgtd: TgtdServer;
  readonly virsh: Virsh;
  readonly events: DomainEvents;
  readonly connector: Connector;
  readonly handlers: Handlers<'compute'>;
  /** Arguments of every companion that the agent started. */
  readonly started: string[][];
  #tid = 0;

  private constructor(dir: string, libvirt: LibvirtServer, tgtd: TgtdServer, detachTimeoutMs: number) {
    this.dir = dir;
    this.libvirt = libvirt;
    this.tgtd = tgtd;
    this.started = [];
    const start: StartCompanion = (program, args, env) => {
      this.started.push([program, ...args]);
      return systemCompanion(program, args, { ...env, HOME: dir });
    };
    this.virsh = openVirsh({ uri: libvirt.uri, dir: join(dir, 'v'), start });
    this.events = watchDomains({ uri: libvirt.uri, start, log: () => undefined });
    this.connector = libiscsiConnector(this.virsh);
    this.handlers = createComputeHandlers({
      virsh: this.virsh,
      events: this.events,
      connector: this.connector,
      secrets: SECRETS,
      servers: new KeyedMutex(),
      detachTimeoutMs,
      machine: machineChooser(this.virsh, 'qemu'),
      consoleDir: join(dir, 'c'),
      shutdownTimeoutMs: 12_000,
      reconnect: async () => undefined,
      evicted: () => undefined,
      log: () => undefined,
    });
  }

  static async open({ detachTimeoutMs = 60_000 } = {}): Promise<Lab> {
    const dir = await mkdtemp(join(tmpdir(), 'by-'));
    const libvirt = await startLibvirt({ dir: join(dir, 'l'), cacheDir: '.data/cache/libvirt' });
    return new Lab(dir, libvirt, await startTgtd({ dir: join(dir, 't') }), detachTimeoutMs);
  }

  /** The context of a task that nobody stops. */
  readonly context = { requestId: 'req-test', signal: new AbortController().signal };

  async volume(sizeMib = 64): Promise<LabVolume> {
    this.#tid += 1;
    const volume = {
      id: randomUUID(),
      tid: this.#tid,
      image: join(this.dir, `${this.#tid}.img`),
      secret: SECRETS.chapSecret(),
    };
    await writeFile(volume.image, '');
    await truncate(volume.image, sizeMib * MIB);
    const [tid, user] = [String(volume.tid), `user-${volume.tid}`];
    await this.tgtadm('--op', 'new', '--mode', 'target', '--tid', tid, '-T', iqn(volume));
    await this.#lun(volume);
    await this.tgtadm('--op', 'bind', '--mode', 'target', '--tid', tid, '-Q', INITIATOR);
    await this.tgtadm('--op', 'new', '--mode', 'account', '--user', user, '--password', volume.secret);
    await this.tgtadm('--op', 'bind', '--mode', 'account', '--tid', tid, '--user', user);
    return volume;
  }

  /** tgt learns a file's new size when it opens it. */
  async grow(volume: LabVolume, sizeMib: number): Promise<void> {
    await truncate(volume.image, sizeMib * MIB);
    const lun = ['--mode', 'logicalunit', '--tid', String(volume.tid), '--lun', '1'];
    await this.tgtadm('--op', 'update', ...lun, '--params', 'online=0');
    await this.tgtadm('--op', 'update', ...lun, '--params', `path=${volume.image}`);
    await this.tgtadm('--op', 'update', ...lun, '--params', 'online=1');
  }

  /** How many initiators are logged in to the volume's target. */
  async sessions(volume: LabVolume): Promise<number> {
    const text = await this.tgtadm('--op', 'show', '--mode', 'conn', '--tid', String(volume.tid));
    return text.match(/^Session:/gm)?.length ?? 0;
  }

  attachment(volume: LabVolume, serverId: string): TaskInput<'disk.attach'> {
    return {
      volumeId: volume.id,
      serverId,
      connection: this.connection(volume),
      initiator: INITIATOR,
      chap: { username: `user-${volume.tid}`, secret: SECRETS.encrypt(volume.secret, volume.id) },
      iotune: {},
      bus: 'virtio',
      device: null,
      readonly: false,
    };
  }

  connection(volume: LabVolume): TaskInput<'disk.attach'>['connection'] {
    return { portals: [this.tgtd.portal], iqn: iqn(volume), lun: 1 };
  }

  /** Defines and starts the test guest and waits until it is up. */
  async guest(name: string): Promise<{ id: string; console: GuestConsole }> {
    const id = randomUUID();
    const [consoleSocket, consoleLog] = [join(this.dir, `${name}.sock`), join(this.dir, `${name}.log`)];
    const metadata = `<blockyard:instance xmlns:blockyard='https://blockyard.dev/xmlns/1' project='demo'/>`;
    const guest = await buildGuest('.data/cache/guest');
    await this.define(guestDomainXml({ ...guest, name, uuid: id, consoleSocket, consoleLog, metadata }));
    await this.run('start', id);
    const console = await GuestConsole.open(consoleSocket, consoleLog);
    await console.waitFor(/^guest: ready$/m);
    return { id, console };
  }

  /** A domain with firmware but no system in it: nobody answers when libvirt asks for a disk back. */
  async deafGuest(name: string): Promise<string> {
    const id = randomUUID();
    await this.define(`<domain type='qemu'><name>${name}</name><uuid>${id}</uuid>
      <memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
      <features><acpi/></features>
      <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`);
    return id;
  }

  async define(xml: string): Promise<void> {
    await this.virsh.run(['define'], { xml });
  }

  /** virsh as an operator would run it, apart from the agent. */
  async run(...args: string[]): Promise<string> {
    return (await systemRunner.run('virsh', ['--quiet', '--connect', this.libvirt.uri, ...args])).stdout;
  }

  /** The running definition and the persistent one, in this order. */
  async definitions(serverId: string): Promise<[live: string, config: string]> {
    return [await this.run('dumpxml', serverId), await this.run('dumpxml', serverId, '--inactive')];
  }

  async tgtadm(...args: string[]): Promise<string> {
    const env = { TGT_IPC_SOCKET: this.tgtd.socket };
    return (await systemRunner.run('tgtadm', ['--lld', 'iscsi', ...args], { env })).stdout;
  }

  /** Ends the daemon and starts it again on the same files; guests go on. */
  async restartLibvirt(): Promise<void> {
    process.kill(-this.libvirt.pid, 'SIGKILL');
    await this.gone([this.libvirt.pid]);
    this.libvirt = await startLibvirt({ dir: join(this.dir, 'l'), cacheDir: '.data/cache/libvirt' });
  }

  /** Process ids of a process's children. */
  async children(pid: number): Promise<number[]> {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text
      .split(' ')
      .filter((each) => each.trim() !== '')
      .map(Number);
  }

  /** Resolves when none of these processes is left. */
  async gone(pids: readonly number[]): Promise<void> {
    while (pids.some((pid) => existsSync(`/proc/${pid}`))) await sleep(20);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.events.stop();
    await this.virsh.stop();
    await this.libvirt.stop();
    await this.tgtd.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  async #lun({ tid, image }: LabVolume): Promise<void> {
    const lun = ['--mode', 'logicalunit', '--tid', String(tid), '--lun', '1'];
    await this.tgtadm('--op', 'new', ...lun, '-b', image);
  }
}

function iqn(volume: LabVolume): string {
  return `iqn.2010-10.org.blockyard:${volume.id}`;
}
