import type { Image } from '../image/build.ts';
import type { Accelerator } from './accelerator.ts';

export interface Disk {
  /** Inside: `/dev/disk/by-id/virtio-<serial>`. At most 20 characters. */
  readonly serial: string;
  /** A raw file. */
  readonly path: string;
  /** Several machines may have it. Default false. */
  readonly readonly?: boolean;
}

/** One end of a cable between two machines: a datagram socket of each. Nobody else can join. */
export interface Cable {
  readonly local: string;
  readonly remote: string;
}

export interface Hardware {
  readonly image: Image;
  readonly accelerator: Accelerator;
  readonly initrd: string;
  /** qcow2 overlay on the image's root. */
  readonly root: string;
  readonly disks: readonly Disk[];
  /** Project folder, read-only inside. */
  readonly tree: string;
  /** On 127.0.0.1, leads to the machine's ssh. */
  readonly sshPort: number;
  readonly cable: Cable | undefined;
  /** 1 to 254, unlike the other end's. */
  readonly number: number;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly consoleSocket: string;
  readonly consoleLog: string;
  /** Units that start at boot. */
  readonly wants: readonly string[];
}

/** What a machine that lives for minutes does without: mitigations and self-tests cost most under emulation. */
const KERNEL_ARGUMENTS = [
  'console=ttyS0',
  'quiet',
  'loglevel=3',
  'panic=-1',
  'net.ifnames=0',
  'mitigations=off',
  'nokaslr',
  'random.trust_cpu=on',
  'tsc=unstable',
  'cryptomgr.notests',
  'audit=0',
  'apparmor=0',
  'selinux=0',
];

/** QEMU's arguments. The control network is eth0 (QEMU's user network, the host is 10.0.2.2), the cable is eth1. */
export function qemuArguments(hardware: Hardware): string[] {
  const { image, accelerator, consoleSocket, consoleLog } = hardware;
  const kernel = [...KERNEL_ARGUMENTS, ...hardware.wants.map((unit) => `systemd.wants=${unit}`)];
  const options: Option[] = [
    ['-display', 'none'],
    ['-machine', 'q35'],
    ['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ['-cpu', accelerator === 'kvm' ? 'host' : 'max'],
    ['-smp', String(hardware.cpus)],
    ['-m', String(hardware.memoryMiB)],
    ['-kernel', image.kernel],
    ['-initrd', hardware.initrd],
    ['-append', kernel.join(' ')],
    ...disk('root', hardware.root, 'format=qcow2'),
    // Raw without flushes is still what a power cut leaves: the host keeps all that was written.
    ...hardware.disks.flatMap(({ serial, path, readonly = false }) =>
      disk(serial, path, `format=raw,cache=unsafe,readonly=${readonly ? 'on' : 'off'}`),
    ),
    ['-fsdev', `local,id=tree,path=${hardware.tree},security_model=none,readonly=on,multidevs=remap`],
    ['-device', 'virtio-9p-pci,fsdev=tree,mount_tag=tree'],
    ['-netdev', `user,id=control,hostfwd=tcp:127.0.0.1:${hardware.sshPort}-:22`],
    ['-device', `virtio-net-pci,netdev=control,mac=${mac(0, hardware.number)}`],
    ...(hardware.cable === undefined ? [] : cable(hardware.cable, hardware.number)),
    ['-device', 'virtio-rng-pci'],
    ['-chardev', `socket,id=console,path=${consoleSocket},server=on,wait=off,logfile=${consoleLog}`],
    ['-serial', 'chardev:console'],
  ];
  return ['-nodefaults', '-no-user-config', ...options.flat()];
}

type Option = readonly [name: string, value: string];

function disk(serial: string, path: string, options: string): Option[] {
  return [
    ['-drive', `if=none,id=${serial},file=${path},discard=unmap,${options}`],
    ['-device', `virtio-blk-pci,drive=${serial},serial=${serial}`],
  ];
}

function cable({ local, remote }: Cable, number: number): Option[] {
  const ends = `local.type=unix,local.path=${local},remote.type=unix,remote.path=${remote}`;
  return [
    ['-netdev', `dgram,id=cable,${ends}`],
    ['-device', `virtio-net-pci,netdev=cable,mac=${mac(1, number)}`],
  ];
}

/** Of the range that QEMU documents for its guests. */
function mac(network: number, number: number): string {
  return ['52:54:00:b1', network, number]
    .map((part) => (typeof part === 'number' ? part.toString(16).padStart(2, '0') : part))
    .join(':');
}
