import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import type { DiskSource } from './disk-spec.ts';
import { aliasOf, readDomain, targetOf } from './domain-document.ts';
import { childNamed, type Element } from './element.ts';

/** One `<disk>` of a domain, as far as the document says; null where it says nothing. */
export interface ListedDisk {
  /** For example `vda`. */
  readonly target: string | null;
  readonly bus: string | null;
  /** libvirt's `device`: `disk` unless the document says `cdrom`, `floppy` or `lun`. */
  readonly device: string;
  /** libvirt's `type`: `file` unless the document says otherwise. */
  readonly type: string;
  readonly serial: string | null;
  readonly alias: string | null;
  /** Null for a source that is neither a block device nor iSCSI. */
  readonly source: DiskSource | null;
  readonly iotune: Iotune;
  readonly readOnly: boolean;
  readonly shareable: boolean;
}

/**
 * Every disk of a domain XML document, in document order.
 * @throws DomainXmlError if the text isn't a well-formed domain.
 */
export function listDisks(domainXml: string): ListedDisk[] {
  return readDomain(domainXml).disks.map(listDisk);
}

/** One `<disk>`. */
export function listDisk(disk: Element): ListedDisk {
  return {
    target: targetOf(disk) ?? null,
    bus: childNamed(disk, 'target')?.attributes['bus'] ?? null,
    device: disk.attributes['device'] ?? 'disk',
    type: disk.attributes['type'] ?? 'file',
    serial: childNamed(disk, 'serial')?.text.trim() ?? null,
    alias: aliasOf(disk) ?? null,
    source: sourceOf(disk),
    iotune: iotuneOf(disk),
    readOnly: childNamed(disk, 'readonly') !== undefined,
    shareable: childNamed(disk, 'shareable') !== undefined,
  };
}

/** The limits a disk has; values that are no numbers, and zeros, count as no limit. */
export function iotuneOf(disk: Element): Iotune {
  const element = childNamed(disk, 'iotune');
  if (element === undefined) return {};
  const limits = IOTUNE_KEYS.flatMap((key) => {
    const text = childNamed(element, key)?.text.trim() ?? '';
    return /^[0-9]+$/.test(text) && Number(text) > 0 ? [[key, Number(text)] as const] : [];
  });
  const group = childNamed(element, 'group_name')?.text;
  return { ...Object.fromEntries(limits), ...(group === undefined ? {} : { group_name: group }) };
}

function sourceOf(disk: Element): DiskSource | null {
  const source = childNamed(disk, 'source');
  const dev = source?.attributes['dev'];
  if (disk.attributes['type'] === 'block') return dev === undefined ? null : { type: 'block', dev };
  if (source === undefined || source.attributes['protocol'] !== 'iscsi') return null;
  const name = /^(.+?)(?:\/([0-9]+))?$/.exec(source.attributes['name'] ?? '');
  const host = childNamed(source, 'host')?.attributes;
  if (name?.[1] === undefined || host?.['name'] === undefined) return null;
  const initiator = childNamed(source, 'initiator');
  return {
    type: 'iscsi',
    host: host['name'],
    port: Number(host['port'] ?? 3260),
    iqn: name[1],
    lun: Number(name[2] ?? 0),
    initiator: initiator && childNamed(initiator, 'iqn')?.attributes['name'],
    chap: chapOf(source) ?? chapOf(disk),
  };
}

/** Older libvirt writes `<auth>` beside `<source>`, newer inside. */
function chapOf(parent: Element): { username: string; secretUuid: string } | undefined {
  const auth = childNamed(parent, 'auth');
  const username = auth?.attributes['username'];
  const secretUuid = auth && childNamed(auth, 'secret')?.attributes['uuid'];
  return username === undefined || secretUuid === undefined ? undefined : { username, secretUuid };
}
