import { isUuid } from '#schema/ids.ts';
import type { Connector } from '../connectors/connector.ts';
import { findDomain } from '../disks/domain-view.ts';
import { aliasOf, type DomainDocument } from '../libvirt/domain-xml/domain-document.ts';
import { childNamed, type Element } from '../libvirt/domain-xml/element.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { countReconnected } from '../metrics.ts';

/**
 * Makes the volumes in a domain's persistent definition reachable as they were when they were attached, and corrects the
 * definition where a volume has another name now. To be called before the domain is started.
 * @returns how many volumes there are for the connector to look after.
 * @throws what the connector throws, while a target does not answer.
 */
export async function reconnectVolumes(
  { virsh, connector }: { readonly virsh: Virsh; readonly connector: Connector },
  serverId: string,
): Promise<number> {
  const config = (await findDomain(virsh, serverId))?.config;
  if (config == null) return 0;
  let connected = 0;
  for (const { volumeId, disk } of volumesOf(config)) {
    const source = await connector.reconnect(volumeId);
    if (source === null) continue;
    connected += 1;
    if (source.type === 'block') await point(virsh, serverId, config, disk, source.dev);
  }
  countReconnected(connected);
  return connected;
}

/** Another portal than before has another name below by-path; the definition is to have the one that exists. */
async function point(
  virsh: Virsh,
  serverId: string,
  { text }: DomainDocument,
  disk: Element,
  dev: string,
): Promise<void> {
  const source = childNamed(disk, 'source');
  const former = source?.attributes['dev'];
  if (source === undefined || former === undefined || former === dev) return;
  const tag = text.slice(source.start, source.end);
  const xml =
    text.slice(disk.start, source.start) + tag.replace(former, dev) + text.slice(source.end, disk.end);
  await virsh.run(['update-device', serverId, '--config'], { xml });
}

/** The volumes among a domain's disks. */
export function volumesOf(document: DomainDocument): { volumeId: string; disk: Element }[] {
  return document.disks.flatMap((disk) => {
    const id = aliasOf(disk)?.replace(/^ua-/, '');
    const serial = childNamed(disk, 'serial')?.text.trim();
    const volumeId = [id, serial].find((each) => each !== undefined && isUuid(each));
    return volumeId === undefined ? [] : [{ volumeId, disk }];
  });
}
