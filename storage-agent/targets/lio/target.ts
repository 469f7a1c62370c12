import { join } from 'node:path';
import { TaskError } from '#schema/tasks.ts';
import { volumeIdOf, volumeName } from '../../names.ts';
import { assertAcls, assertPath } from '../limits.ts';
import type { ClearAcl, ExportState, OpenTarget } from '../target.ts';
import type { Helpers } from './helpers.ts';
import { FABRIC, LUN } from './layout.ts';
import { watchPresence } from './presence.ts';

export interface LioTargetOptions {
  readonly helpers: Helpers;
  /** Where LIO's configfs is. */
  readonly root: string;
  /** `address:port` of each portal, which LIO then listens on. */
  readonly portals: readonly string[];
  /** Targets are named `<prefix>:volume-<id>`; other targets are left alone. */
  readonly iqnPrefix: string;
}

/** Exports through the kernel's own target, which forgets everything at a reboot: every export is rebuilt by `ensure`. */
export async function createLioTarget(options: LioTargetOptions): Promise<OpenTarget> {
  const { helpers, root, portals, iqnPrefix } = options;
  await helpers.run('open', { do: 'open' });
  const targets = () => helpers.run('targets', { do: 'targets' });
  const { made, leaving, ...presence } = watchPresence({ targets, folder: join(root, FABRIC) });
  const iqnOf = (volumeId: string): string => `${iqnPrefix}:${volumeName(volumeId)}`;

  const find = async (volumeId: string): Promise<ExportState | null> => {
    const found = await helpers.run(volumeId, {
      do: 'find',
      iqn: iqnOf(volumeId),
      name: volumeName(volumeId),
    });
    return found && { volumeId, ...found };
  };

  return {
    ...presence,
    target: {
      async ensure(volumeId, device, acls, number) {
        assertPath(device.path);
        assertAcls(acls);
        assertOneEach(acls);
        const iqn = iqnOf(volumeId);
        const name = volumeName(volumeId);
        const serial = volumeId.toLowerCase();
        const backstore = { name, number, serial, path: device.path, discard: device.discard };
        await helpers.run(volumeId, { do: 'ensure', iqn, backstore, portals, acls: acls.map(asLower) });
        made(iqn);
        return { portals: [...portals], iqn, lun: LUN };
      },
      async absent(volumeId, number) {
        const iqn = iqnOf(volumeId);
        leaving(iqn);
        await helpers.run(volumeId, { do: 'absent', iqn, name: volumeName(volumeId), number });
      },
      // The kernel asks the device for its size whenever an initiator asks: a rescan on its side shows the new one.
      grown: async () => {},
      find,
      lingering: (volumeId, initiator) =>
        helpers.run(volumeId, { do: 'lingering', iqn: iqnOf(volumeId), initiator: initiator.toLowerCase() }),
      async list() {
        const volumes = (await targets())
          .filter((iqn) => iqn.startsWith(`${iqnPrefix}:`))
          .flatMap((iqn) => volumeIdOf(iqn.slice(iqnPrefix.length + 1)) ?? []);
        return (await Promise.all(volumes.map(find))).filter((state) => state !== null);
      },
      async inventory() {
        const found = await helpers.run('inventory', { do: 'inventory', prefix: `${iqnPrefix}:` });
        return found.flatMap(({ name, ...item }) => {
          const volumeId = volumeIdOf(name);
          return volumeId === null ? [] : [{ volumeId, ...item }];
        });
      },
    },
    close() {
      presence.close();
      helpers.close();
    },
  };
}

/** LIO keeps one account per initiator. */
function assertOneEach(acls: readonly ClearAcl[]): void {
  if (new Set(acls.map(({ initiator }) => initiator)).size < acls.length)
    throw new TaskError('invalid', 'one initiator with two CHAP accounts');
}

/** RFC 7143 4.2.7.1 compares names in lower case; the kernel does so with the one that logs in, and rtslib with all. */
function asLower(acl: ClearAcl): ClearAcl {
  return { ...acl, initiator: acl.initiator.toLowerCase() };
}
