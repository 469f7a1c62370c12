import { isUuid } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';
import { type DomainDocument, isVolume, readDomain } from '../libvirt/domain-xml/domain-document.ts';
import { childNamed, type Element } from '../libvirt/domain-xml/element.ts';
import { parseDominfo } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';

/** A domain as it is at this moment. */
export interface DomainView {
  /** What events call it by. */
  readonly name: string;
  /** The XML of the running (or paused) guest; null when it is shut off. */
  readonly live: DomainDocument | null;
  /** The XML it will start with next time; null for a transient domain. */
  readonly config: DomainDocument | null;
}

/** @throws TaskError `not-found` when this host has no such domain. */
export async function viewDomain(virsh: Virsh, serverId: string): Promise<DomainView> {
  const view = await findDomain(virsh, serverId);
  if (view === null) throw new TaskError('not-found', `server ${serverId} is not on this host`);
  return view;
}

/** The domain of that UUID, or null. virsh would take a name or a number too; this doesn't. */
export async function findDomain(virsh: Virsh, serverId: string): Promise<DomainView | null> {
  if (!isUuid(serverId)) return null;
  try {
    const info = parseDominfo(await virsh.run(['dominfo', serverId]));
    if (info.uuid !== serverId.toLowerCase()) return null;
    return {
      name: info.name,
      live: info.active ? readDomain(await virsh.run(['dumpxml', serverId])) : null,
      config: info.persistent ? readDomain(await virsh.run(['dumpxml', serverId, '--inactive'])) : null,
    };
  } catch (error) {
    if (isVirshFailure(error, 'domain-not-found')) return null;
    throw error;
  }
}

/** The XML of the running (or paused) guest of that UUID, for half the price of all that `findDomain` tells; null when there is none. */
export async function findLive(virsh: Virsh, serverId: string): Promise<DomainDocument | null> {
  if (!isUuid(serverId)) return null;
  try {
    const document = readDomain(await virsh.run(['dumpxml', serverId]));
    const { attributes } = document.root;
    const uuid = childNamed(document.root, 'uuid')?.text.trim();
    // One that is shut off is described as it will start.
    return attributes['id'] !== undefined && uuid === serverId.toLowerCase() ? document : null;
  } catch (error) {
    if (isVirshFailure(error, 'domain-not-found')) return null;
    throw error;
  }
}

/** The volume's `<disk>`, or undefined. */
export function diskOf(document: DomainDocument | null, volumeId: string): Element | undefined {
  return document?.disks.find((disk) => isVolume(disk, volumeId));
}
