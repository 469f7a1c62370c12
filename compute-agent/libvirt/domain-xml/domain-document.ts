import { DomainXmlError } from './domain-xml-error.ts';
import { childNamed, childrenNamed, type Element, localName } from './element.ts';
import { parseXml } from './parse.ts';

/** A domain XML document with the elements that matter to disks. */
export interface DomainDocument {
  readonly text: string;
  readonly root: Element;
  /** One as a rule; libvirt reads the disks of several. */
  readonly devices: readonly Element[];
  /** Every `<disk>` of the domain, in document order. */
  readonly disks: readonly Element[];
}

/** @throws DomainXmlError if the text isn't well-formed, or no `<domain>`. */
export function readDomain(text: string): DomainDocument {
  const root = parseXml(text);
  if (localName(root) !== 'domain') {
    throw new DomainXmlError(
      `the root element is <${root.name}>, expected <domain> as "virsh dumpxml" prints it`,
    );
  }
  const devices = childrenNamed(root, 'devices');
  return { text, root, devices, disks: devices.flatMap((parent) => childrenNamed(parent, 'disk')) };
}

/** The device name the guest's disk is known by, for example `vda`. */
export function targetOf(disk: Element): string | undefined {
  return childNamed(disk, 'target')?.attributes['dev'];
}

/** Whether a disk is that volume: by serial, or by alias where something dropped the serial. */
export function isVolume(disk: Element, volumeId: string): boolean {
  const serial = childNamed(disk, 'serial')?.text.trim();
  return serial === undefined ? aliasOf(disk) === `ua-${volumeId}` : serial === volumeId;
}

/** The device alias, in a live document or given by the user. */
export function aliasOf(device: Element): string | undefined {
  return childNamed(device, 'alias')?.attributes['name'];
}
