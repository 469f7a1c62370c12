import { diskXml, type PlacedDiskSpec } from '../libvirt/domain-xml/disk-xml.ts';
import { METADATA_URI } from '../report/servers.ts';
import type { Machine } from './machine.ts';

export interface ServerSpec extends Machine {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly disk: PlacedDiskSpec;
  /** Where libvirt writes what the serial console says. */
  readonly consoleLog: string;
}

/** As many volumes can be attached while a q35 runs. */
const HOT_PLUG_PORTS = 24;

/**
 * The domain of a server: the root volume is its only disk, and there is nothing of the host's in it. Its first serial
 * port is the console. Source: libvirt formatdomain.
 */
export function serverXml(spec: ServerSpec): string {
  const { type, machine, disk, consoleLog } = spec;
  const ports =
    machine === 'q35' ? "\n    <controller type='pci' model='pcie-root-port'/>".repeat(HOT_PLUG_PORTS) : '';
  const cpu = type === 'kvm' ? "\n  <cpu mode='host-passthrough' check='none'/>" : '';
  return `<domain type='${type}'>
  <name>${domainName(spec)}</name>
  <uuid>${spec.id}</uuid>
  <title>${escaped(spec.name)}</title>
  <metadata>
    <blockyard:instance xmlns:blockyard='${METADATA_URI}' project='${escaped(spec.projectId)}'/>
  </metadata>
  <memory unit='MiB'>${spec.memoryMib}</memory>
  <vcpu>${spec.vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='${machine}'>hvm</type>
    <boot dev='hd'/>
  </os>
  <features><acpi/><apic/></features>${cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>${escaped(spec.emulator)}</emulator>
    ${diskXml(disk, { indent: '    ' })}
    <controller type='usb' model='none'/>${ports}
    <serial type='pty'>
      <log file='${escaped(consoleLog)}' append='on'/>
    </serial>
    <memballoon model='virtio'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
`;
}

/** Unique on any host, since names that users give need not be, and plain enough for file names. */
function domainName({ name, id }: ServerSpec): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '');
  return `${plain.slice(0, 40) || 'server'}-${id.slice(0, 8)}`;
}

function escaped(text: string): string {
  return (
    text
      // XML 1.0 has no way to write these; libvirt takes no line end in a title.
      .replaceAll(/[^\P{Cc}]|[\ufffe\uffff]/gu, ' ')
      .toWellFormed()
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      // `]]>` must not stand in a text.
      .replaceAll('>', '&gt;')
      .replaceAll("'", '&apos;')
  );
}
