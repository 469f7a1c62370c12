import { TaskError, type TaskInput } from '#schema/tasks.ts';
import type { Connector } from '../connectors/connector.ts';
import { volumesIn } from '../inventory/volumes-in.ts';
import { parseDomainList } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { findDomain } from './domain-view.ts';

/**
 * Removes what this host has of a volume that none of its domains has, running or not.
 * @throws TaskError `refused` when one does.
 */
export async function disconnect(
  { virsh, connector }: { readonly virsh: Virsh; readonly connector: Pick<Connector, 'disconnect'> },
  { volumeId }: TaskInput<'connection.absent'>,
): Promise<Record<string, never>> {
  for (const { uuid, name } of parseDomainList(await virsh.run(['list', '--all', '--uuid', '--name']))) {
    const view = await findDomain(virsh, uuid);
    const has = [view?.live, view?.config].some(
      (document) => document != null && volumesIn(document).some((disk) => disk.volumeId === volumeId),
    );
    if (has) throw new TaskError('refused', `domain ${name} has the volume`);
  }
  await connector.disconnect(volumeId, null);
  return {};
}
