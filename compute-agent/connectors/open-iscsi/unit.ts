import { join } from 'node:path';
import { TaskError } from '#schema/tasks.ts';
import type { Portal } from '../portal.ts';
import { waitForLink } from './link.ts';
import { liveSessions } from './live-sessions.ts';
import { joinPaths, type MapDeps, mapsOf } from './maps.ts';
import type { Patience } from './patience.ts';
import { byPathName, discards, listDevices, type ScsiDevice, serialOf, wwidOf } from './scsi-device.ts';
import { listSessions, type Session } from './sessions.ts';
import { writeAttribute } from './write-attribute.ts';

/** One volume as an initiator sees it. */
export interface Unit {
  readonly iqn: string;
  readonly lun: number;
  /** What its serial number must be. */
  readonly volumeId: string;
}

export interface UnitDeps extends MapDeps {
  readonly patience: Patience;
}

export interface OpenedUnit {
  /** The stable link that QEMU opens. */
  readonly dev: string;
  readonly discard: boolean;
  /** The one whose name is in `dev`; null for a multipath map. */
  readonly portal: Portal | null;
}

const SCAN_TIMEOUT_MS = 30_000;
const UDEV_TIMEOUT_MS = 40_000;
/** For all that is read and written in one go on a device of a session that is logged in. */
export const DEVICE_TIMEOUT_MS = 30_000;

/** The paths to a unit that exist now. */
export async function pathsTo(
  sys: string,
  { iqn, lun }: { readonly iqn: string; readonly lun: number },
): Promise<{ session: Session; device: ScsiDevice }[]> {
  const sessions = await listSessions(sys, (each) => each === iqn);
  const paths = await Promise.all(
    sessions.map(async (session) => (await listDevices(session)).map((device) => ({ session, device }))),
  );
  return paths.flat().filter(({ device }) => device.lun === lun);
}

/**
 * Logs in, has the kernel look for this one unit, and waits for udev's link to it; with several portals and multipathd
 * running, all that can be reached become paths of one map, else the first of them is used.
 * @throws TaskError `refused` when a disk has another serial number than the volume's; Error when there is no session, or
 * no disk in time. What has been made until then stays: release it.
 */
export async function openUnit(deps: UnitDeps, unit: Unit, portals: readonly Portal[]): Promise<OpenedUnit> {
  const { sys } = deps.places;
  const multipath = await deps.multipathd.runs();
  const several = multipath && portals.length > 1;
  const sessions = await liveSessions(deps, unit.iqn, portals, several);
  const paths = await Promise.all(sessions.map((session) => openPath(deps, unit, session)));
  const [first] = paths;
  if (first === undefined) throw new Error(`no session with ${unit.iqn}`);
  // Configured to, multipathd takes single paths as well, and then gives up on them after seconds.
  const mapped = several || (multipath && (await mapsOf(sys, first.block)).length > 0);
  if (!mapped) return { dev: first.dev, discard: await discards(sys, first.block), portal: first.portal };
  const wwid = await wwidOf(first.device);
  if (wwid === null)
    throw new TaskError('refused', `the disk of ${unit.iqn} has no name that multipath knows`);
  const blocks = paths.map(({ block }) => block);
  const map = await joinPaths(deps, wwid, blocks);
  return { dev: map.dev, discard: await discards(sys, map.block), portal: null };
}

async function openPath(
  { places, patience }: UnitDeps,
  { iqn, lun, volumeId }: Unit,
  session: Session,
): Promise<{ device: ScsiDevice; block: string; dev: string; portal: Portal }> {
  const { portal, host } = session;
  if (portal === null) throw new Error(`the session with ${iqn} is being removed`);
  const find = async (): Promise<ScsiDevice | undefined> =>
    (await listDevices(session)).find((device) => device.lun === lun);
  if ((await find()) === undefined) {
    // Channel, target and LUN of this one host: a wider scan brings disks that nobody asked for.
    await patience.run(`the scan of host${host}`, SCAN_TIMEOUT_MS, () =>
      writeAttribute(join(places.sys, 'class/scsi_host', `host${host}`, 'scan'), `0 0 ${lun}`),
    );
  }
  if ((await find()) === undefined) throw new Error(`${iqn} offers this host no LUN ${lun}`);
  const dev = join(places.dev, 'disk/by-path', byPathName(iqn, portal, lun));
  let device: ScsiDevice | undefined;
  const linked = await waitForLink(
    dev,
    async (target) => {
      device = target === null ? undefined : await find();
      return device?.block === target;
    },
    UDEV_TIMEOUT_MS,
  );
  if (!linked || device?.block == null)
    throw new Error(`udev did not link ${dev} within ${UDEV_TIMEOUT_MS} ms: is systemd-udevd running?`);
  const serial = await serialOf(device);
  if (serial.toLowerCase() !== volumeId.toLowerCase())
    throw new TaskError('refused', `LUN ${lun} of ${iqn} has serial "${serial}": that is not the volume`);
  return { device, block: device.block, dev, portal };
}

/** Makes this host see a unit's new size, on every path and in the map. */
export async function growUnit(deps: UnitDeps, unit: Pick<Unit, 'iqn' | 'lun'>): Promise<void> {
  const { sys } = deps.places;
  const paths = await pathsTo(sys, unit);
  const maps = new Set<string>();
  for (const { device } of paths) {
    await deps.patience.run(`the rescan of ${device.block ?? 'a disk'}`, DEVICE_TIMEOUT_MS, () =>
      writeAttribute(join(device.folder, 'rescan'), '1'),
    );
    for (const map of device.block === null ? [] : await mapsOf(sys, device.block)) maps.add(map);
  }
  for (const map of maps) await deps.multipathd.tell(`resize map ${map}`);
}
