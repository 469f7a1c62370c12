import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import { type DiskBus, firstFreeName } from './device-name.ts';
import { checkDiskSpec, DEFAULT_BUS, type DiskSpec } from './disk-spec.ts';
import { diskXml } from './disk-xml.ts';
import { aliasOf, type DomainDocument, isVolume, readDomain, targetOf } from './domain-document.ts';
import { DomainXmlError } from './domain-xml-error.ts';
import { planInsertion } from './insertion.ts';
import { iotuneOf } from './list-disks.ts';
import { applySplices, type Splice } from './splice.ts';

/**
 * Adds a volume to a domain XML document. Every character that was there stays; `detachDisk` gives back the same text.
 * No `<address>` is written: libvirt assigns them. A SCSI disk's controller is left to libvirt too, which adds one of its
 * default model if the domain has none; define `<controller type='scsi' model='virtio-scsi'/>` for the fast one.
 * @throws DomainXmlError if the text isn't a well-formed domain, the spec is invalid, the volume is there already or the
 * device name is taken.
 */
export function attachDisk(domainXml: string, spec: DiskSpec): { xml: string; device: string } {
  const { splices, device } = planAttach(domainXml, spec, { ascii: false });
  return { xml: applySplices(domainXml, splices), device };
}

/** The changes `attachDisk` makes, for a caller who keeps bytes. `ascii` keeps the inserted text to ASCII. */
export function planAttach(
  text: string,
  spec: DiskSpec,
  { ascii }: { ascii: boolean },
): { splices: Splice[]; device: string } {
  checkDiskSpec(spec);
  const domain = readDomain(text);
  refuseKnownVolume(domain, spec.volumeId);
  refuseUnequalGroup(domain, spec.iotune ?? {});
  const device = chooseDevice(domain, spec);
  const driver = driverOf(domain);
  const splices = planInsertion(domain, (layout) =>
    diskXml({ ...spec, device }, { ...layout, ascii, driver }),
  );
  return { splices, device };
}

/** The first device name of a bus that no `<disk>` of the domain uses, whatever its own bus is. */
export function firstFreeDevice(domainXml: string, bus: DiskBus): string {
  return firstFreeName(takenNames(readDomain(domainXml)), bus);
}

function refuseKnownVolume(domain: DomainDocument, volumeId: string): void {
  const disk = domain.disks.find((candidate) => isVolume(candidate, volumeId));
  if (disk !== undefined) {
    throw new DomainXmlError(
      `volume ${volumeId} is attached already, as ${targetOf(disk) ?? 'a disk without a name'}`,
    );
  }
  const devices = domain.devices.flatMap((parent) => parent.children);
  if (devices.some((device) => aliasOf(device) === `ua-${volumeId}`)) {
    throw new DomainXmlError(`another device has the alias ua-${volumeId} already`);
  }
}

/** Disks that share a budget by name must carry the same limits, or libvirt refuses the whole domain. */
function refuseUnequalGroup({ disks }: DomainDocument, iotune: Iotune): void {
  if (iotune.group_name === undefined) return;
  for (const disk of disks) {
    const other = iotuneOf(disk);
    if (other.group_name !== iotune.group_name) continue;
    if (IOTUNE_KEYS.every((key) => (other[key] ?? 0) === (iotune[key] ?? 0))) continue;
    throw new DomainXmlError(`disk ${targetOf(disk) ?? '?'} has other limits in group ${iotune.group_name}`);
  }
}

function chooseDevice(domain: DomainDocument, { device, bus = DEFAULT_BUS }: DiskSpec): string {
  const taken = takenNames(domain);
  if (device === undefined) return firstFreeName(taken, bus);
  if (taken.has(device)) throw new DomainXmlError(`device ${device} is taken`);
  return device;
}

function takenNames(domain: DomainDocument): Set<string> {
  return new Set(domain.disks.flatMap((disk) => targetOf(disk)?.trim() ?? []));
}

/** Other hypervisors have drivers of other names, and choose well themselves. */
function driverOf({ root }: DomainDocument): string | null {
  const type = root.attributes['type'];
  return type === undefined || ['kvm', 'qemu', 'hvf'].includes(type) ? 'qemu' : null;
}
