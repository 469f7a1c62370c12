import { reach } from '#queues/stopping-points.ts';
import type { TaskInput } from '#schema/tasks.ts';
import { diskOf, findDomain } from '../disks/domain-view.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { removeConsoleLog } from './console.ts';
import type { ServerDeps } from './ensure.ts';
import { cutPower } from './start.ts';

/** Whatever libvirt keeps beside the definition would make it refuse. */
export const WITH_ALL = ['--managed-save', '--snapshots-metadata', '--checkpoints-metadata', '--nvram'];

/** Switches the server off, forgets it, and only then lets its root volume go. What isn't there is success. */
export async function removeServer(
  { virsh, connector, servers, consoleDir }: ServerDeps,
  { volumeId, serverId, connection }: TaskInput<'server.absent'>,
): Promise<Record<string, never>> {
  await servers.run(serverId, async () => {
    const view = await findDomain(virsh, serverId);
    // A domain of this UUID without the root volume is somebody else's, as when the server is made.
    const ours = [view?.live, view?.config].some((each) => diskOf(each ?? null, volumeId) !== undefined);
    if (ours && view?.live != null) await cutPower(virsh, serverId);
    await reach('server.off');
    if (ours) {
      await virsh.run(['undefine', serverId, ...WITH_ALL]).catch((error: unknown) => {
        if (!isVirshFailure(error, 'domain-not-found')) throw error;
      });
    }
  });
  await connector.disconnect(volumeId, connection);
  await removeConsoleLog(consoleDir, serverId);
  return {};
}
