import { type Finding, needsModules, needsProgram, type Part } from './check.ts';
import type { Machine } from './machine.ts';

const QEMU = 'qemu-system-x86_64';

export function initiatorPart(machine: Machine): Part {
  const findings = [openIscsi(machine), libiscsi(machine)];
  return { title: 'iSCSI initiator', findings: [...findings, ...multipath(machine)] };
}

/** The kernel's initiator: besides the module its daemon, and udev, which makes the links that QEMU opens. */
function openIscsi(machine: Machine): Finding {
  const open = needsProgram(machine, 'open-iscsi', 'iscsiadm', 'open-iscsi');
  const found = needsModules(machine, open, ['iscsi_tcp']);
  if (found.state !== 'yes') return found;
  const { name } = found;
  if (!machine.exists('/run/udev/control'))
    return {
      name,
      state: 'no',
      detail: 'udev does not run: no disk would get its name',
      remedy: 'apt-get install udev',
    };
  if (!machine.read('/proc/net/unix').includes('@ISCSIADM_ABSTRACT_NAMESPACE'))
    return { name, state: 'care', detail: 'iscsid does not run', remedy: 'systemctl enable --now iscsid' };
  return { ...found, detail: `${found.detail} (BLOCKYARD_CONNECTOR=open-iscsi)` };
}

/** With one storage node all paths go at once when it restarts: maps must then hold I/O back instead of failing it. */
function multipath(machine: Machine): Finding[] {
  if (!machine.read('/proc/net/unix').includes('@/org/kernel/linux/storage/multipathd')) return [];
  const name = 'multipathd';
  const files = ['/etc/multipath.conf', ...machine.find('/etc/multipath/conf.d/*.conf')];
  if (files.some((file) => /^\s*no_path_retry\s+"?queue"?/m.test(machine.read(file))))
    return [{ name, state: 'yes', detail: 'runs: volumes with several portals get several paths' }];
  return [
    {
      name,
      state: 'care',
      detail:
        'runs, but gives up after a minute without any path: guests get errors when a storage node restarts',
      remedy:
        'in /etc/multipath/conf.d/blockyard.conf: overrides { no_path_retry queue }, each on a line of its own',
    },
  ];
}

/** QEMU loads its own initiator as a module in most distributions; where it is built in there is no file. */
function libiscsi(machine: Machine): Finding {
  const name = 'libiscsi';
  const [module] = machine.find('/usr/{lib,lib64,libexec}/{,*/}qemu{,-kvm}/block-iscsi.so');
  if (module !== undefined) return { name, state: 'yes', detail: module };
  return {
    name,
    state: 'no',
    detail: 'QEMU’s block-iscsi.so is not installed',
    remedy: 'apt-get install qemu-block-extra',
  };
}

export async function hypervisorPart(machine: Machine, uri: string | undefined): Promise<Part> {
  return { title: 'Hypervisor', findings: [await libvirt(machine, uri)] };
}

export function processorPart(machine: Machine): Part {
  return { title: 'Guests run by', findings: [kvm(machine), tcg(machine)] };
}

/** Either libvirt's one daemon, or the modular one for QEMU. */
async function libvirt(machine: Machine, uri = 'qemu:///system'): Promise<Finding> {
  const name = 'libvirt';
  const daemon = machine.program('virtqemud') ?? machine.program('libvirtd');
  const remedy = 'apt-get install libvirt-daemon-system libvirt-clients';
  if (machine.program('virsh') === undefined)
    return { name, state: 'no', detail: 'virsh is not installed', remedy };
  try {
    const { stdout } = await machine.runner.run('virsh', ['--connect', uri, 'version'], {
      timeoutMs: 10_000,
    });
    const using = /Using library: (.*)/.exec(stdout)?.[1] ?? 'libvirt';
    return { name, state: 'yes', detail: `${using} answers at ${uri}` };
  } catch {
    if (daemon === undefined)
      return { name, state: 'no', detail: `nothing answers at ${uri}, and no daemon is installed`, remedy };
    return {
      name,
      state: 'care',
      detail: `${daemon} is installed, but nothing answers at ${uri}`,
      remedy: `systemctl start ${daemon.split('/').at(-1)} (npm start runs a private one)`,
    };
  }
}

function kvm(machine: Machine): Finding {
  const name = 'QEMU with KVM';
  const qemu = needsProgram(machine, name, QEMU, 'qemu-system-x86');
  if (qemu.state === 'no') return qemu;
  if (machine.usable('/dev/kvm')) return { name, state: 'yes', detail: '/dev/kvm' };
  return machine.exists('/dev/kvm')
    ? { name, state: 'no', detail: 'this user may not open /dev/kvm', remedy: 'usermod -aG kvm USER' }
    : {
        name,
        state: 'no',
        detail: 'there is no /dev/kvm: no virtualisation here, or the kvm module is not loaded',
      };
}

function tcg(machine: Machine): Finding {
  const found = needsProgram(machine, 'QEMU alone', QEMU, 'qemu-system-x86');
  return found.state === 'yes' ? { ...found, detail: `${found.detail}, emulating (slow)` } : found;
}
