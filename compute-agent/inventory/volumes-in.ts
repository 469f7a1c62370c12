import { isUuid } from '#schema/ids.ts';
import type { DiskItem } from '#schema/inventory.ts';
import { openingOf } from '../libvirt/domain-xml/disk-opening.ts';
import type { DomainDocument } from '../libvirt/domain-xml/domain-document.ts';
import { type ListedDisk, listDisk } from '../libvirt/domain-xml/list-disks.ts';

const VOLUME = /:volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:$|-lun-\d+$)/;
const ALIAS = 'ua-';

/**
 * The disks that are volumes: by the alias that we give, or by a source whose name is a volume's. A disk whose serial
 * number alone looks like a volume's is somebody else's.
 */
export function volumesIn({ disks }: Pick<DomainDocument, 'disks'>): DiskItem[] {
  return disks.flatMap((element) => {
    const disk = listDisk(element);
    const sourceVolumeId = VOLUME.exec(nameOf(disk) ?? '')?.[1] ?? null;
    const volumeId = aliased(disk) ?? sourceVolumeId;
    if (volumeId === null) return [];
    const { target, serial, alias, readOnly, iotune } = disk;
    const [source, opening] = [sourceText(disk), openingOf(element)];
    return [{ volumeId, target, serial, alias, source, sourceVolumeId, readOnly, opening, iotune }];
  });
}

function aliased({ alias }: ListedDisk): string | null {
  const id = alias?.startsWith(ALIAS) === true ? alias.slice(ALIAS.length).toLowerCase() : '';
  return isUuid(id) ? id : null;
}

/** What the name of a target, or of udev's link to its device, is part of. */
function nameOf({ source }: ListedDisk): string | null {
  if (source === null) return null;
  return source.type === 'block' ? source.dev : source.iqn;
}

function sourceText({ source }: ListedDisk): string | null {
  if (source === null) return null;
  return source.type === 'block' ? source.dev : `iscsi:${source.iqn}/${source.lun}`;
}
