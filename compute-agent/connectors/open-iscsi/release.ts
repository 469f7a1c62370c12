import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { logout } from './iscsiadm.ts';
import { waitForLink } from './link.ts';
import { isLive } from './live-sessions.ts';
import { forgetUnit, mapsOf, removeMap } from './maps.ts';
import { removeNodeRecords } from './node-record.ts';
import { numbersOf } from './open-by.ts';
import { removePrivateNodes } from './private-nodes.ts';
import { byPathName, holdersOf, listDevices, type ScsiDevice, wwidOf } from './scsi-device.ts';
import { isGone, listSessions, type Session } from './sessions.ts';
import { DEVICE_TIMEOUT_MS, pathsTo, type UnitDeps } from './unit.ts';
import { writeAttribute } from './write-attribute.ts';

const UDEV_TIMEOUT_MS = 10_000;
/** Programs that look at every new disk hold it for a moment. */
const FLUSH_ATTEMPTS = 5;
const FLUSH_PAUSE_MS = 200;

/**
 * Takes a unit off this host: map, flush, devices, and the sessions and records of its target when they serve nothing
 * else. Nothing there is success. When it resolves no device of the unit is left, and no link to one.
 * @param options `keepRecords`: the target is to be reached again, with the account that only they hold. `dead`: the target
 * has shut this host out, so nothing is flushed; it may not be known here yet that the session is cut off.
 * @throws Error when something on this host uses the disk; then it is still there.
 */
export async function releaseUnit(
  deps: UnitDeps,
  unit: { readonly iqn: string; readonly lun: number },
  { keepRecords = false, dead = false } = {},
): Promise<void> {
  const { sys, dev, nodes } = deps.places;
  const paths = await pathsTo(sys, unit);
  const blocks = paths.flatMap(({ device }) => device.block ?? []);
  const maps = new Set((await Promise.all(blocks.map((block) => mapsOf(sys, block)))).flat());
  const wwid = maps.size === 0 ? null : await wwidOf(paths[0]!.device);
  if (dead) await removePrivateNodes(await numbersOf(dev, [...blocks, ...maps]));
  for (const map of maps) await removeMap(deps, map, { dead });
  const watched = paths.length > 0 && (await deps.multipathd.runs());
  for (const { session, device } of paths) {
    await refuseHolders(sys, device);
    if (watched && device.block !== null)
      await deps.multipathd.tell(`del path ${device.block}`).catch(() => undefined);
    // One that is cut off would only wait for its target; it goes with its session.
    if (!dead && isLive(session)) await removeDevice(deps, device);
  }

  const sessions = await listSessions(sys, (iqn) => iqn === unit.iqn);
  const left = (await Promise.all(sessions.map(listDevices))).flat();
  if (left.every(({ lun }) => lun === unit.lun)) {
    if (sessions.length > 0) await logout(deps.runner, unit.iqn);
    if (!keepRecords) await removeNodeRecords(nodes, unit.iqn);
  } else {
    for (const device of left.filter(({ lun }) => lun === unit.lun)) await remove(deps, device);
  }
  const remaining = await pathsTo(sys, unit);
  if (remaining.length > 0) throw new Error(`the disk of ${unit.iqn} is still there after the logout`);

  const links = paths.flatMap(({ session }) => linkOf(dev, session, unit.lun) ?? []);
  await Promise.all([
    ...links.map((link) => linkGone(link, blocks)),
    wwid === null ? undefined : forgetUnit(deps, wwid),
  ]);
}

async function refuseHolders(sys: string, { block }: ScsiDevice): Promise<void> {
  const [holder] = block === null ? [] : await holdersOf(sys, block);
  if (holder !== undefined) throw new Error(`${block} is in use on this host, by ${holder}`);
}

async function removeDevice(deps: UnitDeps, device: ScsiDevice): Promise<void> {
  const { block } = device;
  if (block !== null) {
    await deps.patience.run(`the flush of ${block}`, DEVICE_TIMEOUT_MS, () =>
      flush(join(deps.places.dev, block)),
    );
  }
  await remove(deps, device);
}

async function remove({ patience }: UnitDeps, device: ScsiDevice): Promise<void> {
  await patience.run(`the removal of ${device.block ?? 'a device'}`, DEVICE_TIMEOUT_MS, async () => {
    await writeAttribute(join(device.folder, 'delete'), '1').catch(unlessGone);
  });
}

/**
 * Writes back what this host still has of the disk, and has the target write back its own cache: what `blockdev
 * --flushbufs` does, but with an answer when it fails. The removal flushes once more and keeps silent.
 * @throws Error when the disk is mounted, or claimed otherwise.
 */
async function flush(path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Exclusively: that fails while anybody has it mounted. Read-only: udev looks anew at a disk that was open for writing.
      await using file = await open(path, constants.O_RDONLY | constants.O_EXCL);
      await file.datasync();
      return;
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'EBUSY';
      if (!busy) return unlessGone(error);
      if (attempt === FLUSH_ATTEMPTS) throw new Error(`${path} is in use on this host`, { cause: error });
      await sleep(FLUSH_PAUSE_MS);
    }
  }
}

function unlessGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

function linkOf(dev: string, { iqn, portal }: Session, lun: number): string | null {
  return portal === null ? null : join(dev, 'disk/by-path', byPathName(iqn, portal, lun));
}

/** A link that stayed would lead to whichever disk gets that letter next. */
async function linkGone(link: string, blocks: readonly string[]): Promise<void> {
  const gone = (target: string | null): boolean => target === null || !blocks.includes(target);
  if (!(await waitForLink(link, gone, UDEV_TIMEOUT_MS))) await rm(link, { force: true });
}
