import { childNamed, type Element } from './element.ts';

/** How QEMU opens what is below a disk; null where the document leaves it to QEMU. */
export interface DiskOpening {
  /** The format of the encryption that QEMU undoes, `luks`; null when the guest sees what is stored. */
  readonly encryption: string | null;
  readonly cache: string | null;
  readonly io: string | null;
  readonly discard: string | null;
}

export function openingOf(disk: Element): DiskOpening {
  const source = childNamed(disk, 'source');
  // Older libvirt writes `<encryption>` beside `<source>`, newer inside.
  const encryption = (source && childNamed(source, 'encryption')) ?? childNamed(disk, 'encryption');
  const driver = childNamed(disk, 'driver')?.attributes;
  return {
    encryption: encryption === undefined ? null : (encryption.attributes['format'] ?? 'default'),
    cache: driver?.['cache'] ?? null,
    io: driver?.['io'] ?? null,
    discard: driver?.['discard'] ?? null,
  };
}
