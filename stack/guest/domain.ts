import type { Guest } from './image.ts';

export interface GuestDomain extends Guest {
  readonly name: string;
  readonly uuid: string;
  /** QEMU listens here; what is written to it reaches the guest's console. At most 107 characters. */
  readonly consoleSocket: string;
  /** QEMU appends here what the guest's console says. */
  readonly consoleLog: string;
  /** Default `qemu`, plain emulation: works without /dev/kvm. */
  readonly type?: 'qemu' | 'kvm';
  /** Default 96. */
  readonly memoryMiB?: number;
  /** XML that is put among the devices as it is, for disks present at boot. */
  readonly devices?: string;
  /** Project that the compute agent reports this server for. */
  readonly project?: string;
  /** XML that is put into `<metadata>` as it is. */
  readonly metadata?: string;
}

/** The compute agent looks for this namespace. */
const METADATA_URI = 'https://blockyard.dev/xmlns/1';

/** Domain XML of the test guest: a PC whose root bus hot-plugs disks. */
export function guestDomainXml(domain: GuestDomain): string {
  const text = (value: string) =>
    value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;');
  const instance =
    domain.project === undefined
      ? ''
      : `<by:instance xmlns:by='${METADATA_URI}' project='${text(domain.project)}'/>`;
  return `<domain type='${domain.type ?? 'qemu'}'>
  <name>${text(domain.name)}</name>
  <uuid>${domain.uuid}</uuid>
  <metadata>${instance}${domain.metadata ?? ''}</metadata>
  <memory unit='MiB'>${domain.memoryMiB ?? 96}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${text(domain.kernel)}</kernel>
    <initrd>${text(domain.initrd)}</initrd>
    <cmdline>console=ttyS0 quiet loglevel=1 panic=-1 tsc=unstable random.trust_cpu=on</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='unix'>
      <source mode='bind' path='${text(domain.consoleSocket)}'/>
      <log file='${text(domain.consoleLog)}' append='off'/>
    </serial>
    ${domain.devices ?? ''}
  </devices>
</domain>
`;
}
