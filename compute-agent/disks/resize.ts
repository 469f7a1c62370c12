import { reach } from '#queues/stopping-points.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import type { Connector } from '../connectors/connector.ts';
import { targetOf } from '../libvirt/domain-xml/domain-document.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { diskOf, viewDomain } from './domain-view.ts';

/**
 * Tells the running guest that its disk has grown; one that is shut off sees it at its next start.
 * @throws TaskError `not-found` when the server or the disk isn't there.
 */
export async function resize(
  { virsh, connector }: { readonly virsh: Virsh; readonly connector: Connector },
  { volumeId, serverId, sizeBytes }: TaskInput<'disk.resize'>,
): Promise<Record<string, never>> {
  const { live, config } = await viewDomain(virsh, serverId);
  const disk = diskOf(live, volumeId);
  if (disk === undefined && diskOf(config, volumeId) === undefined) {
    throw new TaskError('not-found', `volume ${volumeId} is not attached to server ${serverId}`);
  }
  await connector.grown(volumeId);
  await reach('resize.seen');
  const device = disk && targetOf(disk);
  if (device === undefined) return {};
  try {
    await virsh.run(['blockresize', serverId, device, '--size', `${sizeBytes}B`]);
  } catch (error) {
    if (!isVirshFailure(error, 'not-running')) throw error;
  }
  return {};
}
