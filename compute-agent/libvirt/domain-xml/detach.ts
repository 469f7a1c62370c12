import { aliasOf, type DomainDocument, isVolume, readDomain, targetOf } from './domain-document.ts';
import { DomainXmlError } from './domain-xml-error.ts';
import type { Element } from './element.ts';
import { planRemoval } from './insertion.ts';
import { applySplices, type Splice } from './splice.ts';

/**
 * Takes a volume out of a domain XML document, whoever put it there; every other character stays. After `attachDisk`
 * it gives back the text of before.
 * @throws DomainXmlError if the text isn't a well-formed domain, or doesn't hold the volume exactly once.
 */
export function detachDisk(domainXml: string, volumeId: string): { xml: string } {
  return { xml: applySplices(domainXml, planDetach(domainXml, volumeId)) };
}

/** The changes `detachDisk` makes, for a caller who keeps bytes. */
export function planDetach(text: string, volumeId: string): Splice[] {
  const domain = readDomain(text);
  const disk = findVolume(domain, volumeId);
  if (!disk.literal)
    throw new DomainXmlError(`the <disk> of volume ${volumeId} comes from an entity: edit it by hand`);
  return planRemoval(text, disk);
}

function findVolume({ disks }: DomainDocument, volumeId: string): Element {
  const found = disks.filter((disk) => isVolume(disk, volumeId));
  const ours = found.length > 1 ? found.filter((disk) => aliasOf(disk) === `ua-${volumeId}`) : found;
  const [disk] = ours;
  if (disk !== undefined && ours.length === 1) return disk;
  if (found.length === 0) throw new DomainXmlError(`volume ${volumeId} is not attached to this domain`);
  const names = found.map((each) => targetOf(each) ?? '?').join(', ');
  throw new DomainXmlError(`several disks have the serial ${volumeId}: ${names}`);
}
