import { ourTargets, removeNodeRecords } from './node-record.ts';
import { numbersOf, openBy } from './open-by.ts';
import { releaseUnit } from './release.ts';
import { listDevices } from './scsi-device.ts';
import { listSessions } from './sessions.ts';
import type { UnitDeps } from './unit.ts';

const VOLUME = /:volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * Removes sessions, devices and records of volumes that nobody here knows of. All of these must be true: the records
 * are ours (they say so), the target's name is a volume's, the volume is not among those to keep, and no process has
 * any of the session's disks open. What cannot be removed is logged and left.
 */
export async function removeStale(
  deps: UnitDeps,
  isKept: (volumeId: string) => Promise<boolean>,
  alone: (iqn: string, work: () => Promise<void>) => Promise<void>,
  log: (line: string) => void,
): Promise<void> {
  for (const iqn of await ourTargets(deps.places.nodes)) {
    const volumeId = VOLUME.exec(iqn)?.[1];
    if (volumeId === undefined) continue;
    try {
      await alone(iqn, async () => {
        // Asked now that nobody else works with the target: it may have been attached meanwhile.
        if (await isKept(volumeId)) return;
        await removeTarget(deps, iqn);
        log(`iSCSI: removed what was left of ${iqn}`);
      });
    } catch (error) {
      log(`iSCSI: ${iqn} is left as it is: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function removeTarget(deps: UnitDeps, iqn: string): Promise<void> {
  const { sys, dev, nodes } = deps.places;
  const sessions = await listSessions(sys, (each) => each === iqn);
  const devices = (await Promise.all(sessions.map(listDevices))).flat();
  const blocks = devices.map(({ block }) => block);
  for await (const reader of openBy(await numbersOf(dev, blocks)))
    throw new Error(`process ${reader} has its disk open`);
  const luns = new Set([0, ...devices.map(({ lun }) => lun)]);
  for (const lun of luns) await releaseUnit(deps, { iqn, lun });
  await removeNodeRecords(nodes, iqn);
}
