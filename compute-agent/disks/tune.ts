import { reach } from '#queues/stopping-points.ts';
import { IOTUNE_KEYS, type Iotune, type IotuneKey } from '#schema/iotune.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import { targetOf } from '../libvirt/domain-xml/domain-document.ts';
import type { Element } from '../libvirt/domain-xml/element.ts';
import { iotuneOf } from '../libvirt/domain-xml/list-disks.ts';
import { parseFields } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { diskOf, viewDomain } from './domain-view.ts';
import { limitsOf } from './limits.ts';

type Where = '--live' | '--config';

/**
 * Gives the volume's disk exactly these limits, live and in the persistent definition, and reads them back.
 * @throws TaskError `not-found` when the server or the disk isn't there, `invalid` when libvirt refuses the set.
 */
export async function tune(
  virsh: Virsh,
  { volumeId, serverId, iotune }: TaskInput<'disk.tune'>,
): Promise<Record<string, never>> {
  const { live, config } = await viewDomain(virsh, serverId);
  const liveDisk = diskOf(live, volumeId);
  const configDisk = diskOf(config, volumeId);
  if (liveDisk === undefined && configDisk === undefined) {
    throw new TaskError('not-found', `volume ${volumeId} is not attached to server ${serverId}`);
  }
  const limits = limitsOf(iotune);
  if (liveDisk !== undefined) await limit(virsh, serverId, liveDisk, limits, '--live');
  await reach('tune.live');
  if (configDisk !== undefined) await limit(virsh, serverId, configDisk, limits, '--config');
  return {};
}

async function limit(
  virsh: Virsh,
  serverId: string,
  disk: Element,
  limits: Iotune,
  where: Where,
): Promise<void> {
  const device = targetOf(disk);
  if (device === undefined) throw new TaskError('failed', 'the disk has no target');
  const command = (values: Iotune) => ['blkdeviotune', serverId, device, ...options(values), where];
  try {
    // A group sticks to a disk until all limits are taken off.
    if (limits.group_name === undefined && iotuneOf(disk).group_name !== undefined)
      await virsh.run(command({}));
    await virsh.run(command(limits));
    const found = parseFields(await virsh.run(['blkdeviotune', serverId, device, where]));
    const different = IOTUNE_KEYS.find((key) => !agrees(key, limits, Number(found.get(key) ?? Number.NaN)));
    if (different !== undefined) {
      throw new TaskError(
        'failed',
        `libvirt has ${different} ${found.get(different)}, not ${limits[different] ?? 0}`,
      );
    }
  } catch (error) {
    if (isVirshFailure(error, 'device-not-found', 'not-running'))
      throw new TaskError('not-found', error.message);
    throw error;
  }
}

/** All keys, always: libvirt keeps or clears what it isn't told, depending on its siblings. */
function options(limits: Iotune): string[] {
  const numbers = IOTUNE_KEYS.flatMap((key) => [`--${key.replaceAll('_', '-')}`, String(limits[key] ?? 0)]);
  return limits.group_name === undefined ? numbers : [...numbers, '--group-name', limits.group_name];
}

/** QEMU calls a burst of unspecified length one second long. */
function agrees(key: IotuneKey, limits: Iotune, found: number): boolean {
  const wanted = limits[key] ?? 0;
  return found === wanted || (key.endsWith('_max_length') && wanted === 0 && found === 1);
}
