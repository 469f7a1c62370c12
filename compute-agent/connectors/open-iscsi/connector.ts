import { KeyedMutex } from '#agent/keyed-mutex.ts';
import type { Runner } from '#agent/run.ts';
import { type Connection, TaskError } from '#schema/tasks.ts';
import type { DiskSource } from '../../libvirt/domain-xml/disk-spec.ts';
import type { Connector } from '../connector.ts';
import { type Portal, parsePortal, portalText } from '../portal.ts';
import { listConnections } from './inventory.ts';
import { logout } from './iscsiadm.ts';
import { type JournalEntry, openJournal } from './journal.ts';
import { isLive } from './live-sessions.ts';
import { type Multipathd, multipathd } from './multipathd.ts';
import { checkIqn, recordedPortals, writeNodeRecords } from './node-record.ts';
import { patience } from './patience.ts';
import { PLACES, type Places } from './places.ts';
import { releaseUnit } from './release.ts';
import { listDevices, serialOf } from './scsi-device.ts';
import { listSessions } from './sessions.ts';
import { removeStale } from './stale.ts';
import { growUnit, type OpenedUnit, openUnit, pathsTo, type Unit, type UnitDeps } from './unit.ts';

export interface OpenIscsiOptions {
  readonly runner: Runner;
  /** Where the journal of connections lies; made when missing. */
  readonly dir: string;
  readonly log: (line: string) => void;
  readonly places?: Places;
  readonly multipathd?: Multipathd;
}

/** LUNs beyond have other spellings in udev's links. */
const MAX_LUN = 255;
/** Half of Node's threads for files. */
const PATIENT_SLOTS = 2;

/**
 * The kernel's initiator, by open-iscsi: the volume is a disk of this host, and QEMU opens it by udev's link. A process is
 * started for the login and one for the logout (with multipath one more, which makes it forget the volume);
 * everything else is read from and written to sysfs.
 *
 * Before anything is done a volume's connection is in the journal, and it leaves it last: whatever a crash has left is found.
 */
export function openIscsiConnector(options: OpenIscsiOptions): Connector {
  const { runner, places = PLACES } = options;
  const deps: UnitDeps = {
    places,
    runner,
    multipathd: options.multipathd ?? multipathd(),
    patience: patience(PATIENT_SLOTS),
  };
  const journal = openJournal(options.dir);
  /** By target: a duplicate login, or a logout during another LUN's scan, harms both. */
  const targets = new KeyedMutex();

  /** What exists already stays when something fails: a guest may be using it. */
  async function open(
    unit: Unit,
    portals: readonly Portal[],
    undo: () => Promise<void>,
  ): Promise<OpenedUnit> {
    const before = await pathsTo(places.sys, unit);
    try {
      return await openUnit(deps, unit, portals);
    } catch (error) {
      if (before.length === 0)
        await undo().catch((another: unknown) => options.log(`iSCSI: ${text(another)}`));
      throw error;
    }
  }

  /** The portal in the disk's name comes first, so that the disk has the same name next time. */
  async function remember(entry: JournalEntry, { portal }: OpenedUnit): Promise<void> {
    if (portal === null) return;
    const first = portalText(portal);
    if (entry.portals[0] === first) return;
    await journal.put({ ...entry, portals: [first, ...entry.portals.filter((each) => each !== first)] });
  }

  /** Sessions that an earlier connection has left, cut off and with an account that is no longer valid. */
  async function dropDeadSessions(iqn: string): Promise<void> {
    const sessions = await listSessions(places.sys, (each) => each === iqn);
    if (sessions.length > 0 && !sessions.some(isLive)) await logout(runner, iqn);
  }

  async function unitsOf(volumeId: string, connection: Connection | null): Promise<Unit[]> {
    const known = [connection, await journal.get(volumeId)].filter((each) => each !== null);
    if (known.length === 0) return await unitsBySuffix(places.sys, volumeId);
    const units = known.map(({ iqn, lun }) => ({ iqn, lun, volumeId }));
    return units.filter(
      ({ iqn, lun }, index) => units.findIndex((u) => u.iqn === iqn && u.lun === lun) === index,
    );
  }

  async function isConnected(volumeId: string): Promise<boolean> {
    const iqns = new Set((await unitsOf(volumeId, null)).map(({ iqn }) => iqn));
    return (await listSessions(places.sys, (iqn) => iqns.has(iqn))).some(isLive);
  }

  async function letGo(
    volumeId: string,
    connection: Connection | null,
    options: { readonly dead?: boolean },
  ): Promise<void> {
    for (const unit of await unitsOf(volumeId, connection)) {
      checkIqn(unit.iqn);
      await targets.run(unit.iqn, () => releaseUnit(deps, unit, options));
    }
    await journal.remove(volumeId);
  }

  return {
    async connect({ volumeId, connection, initiator, chap }) {
      const { iqn, lun } = connection;
      checkIqn(iqn);
      if (lun < 0 || lun > MAX_LUN)
        throw new TaskError('invalid', `LUN ${lun} is not between 0 and ${MAX_LUN}`);
      return await targets.run(iqn, async () => {
        const former = await journal.get(volumeId);
        const portals = sameOrder(former, connection.portals.map(parsePortal));
        const entry = { volumeId, iqn, lun, portals: portals.map(portalText), initiator };
        if (former === null) await dropDeadSessions(iqn);
        await journal.put(entry);
        await writeNodeRecords(places.nodes, { iqn, portals, initiator, chap });
        const unit = { iqn, lun, volumeId };
        const opened = await open(unit, portals, async () => {
          await releaseUnit(deps, unit, { keepRecords: former !== null });
          if (former === null) await journal.remove(volumeId);
        });
        await remember(entry, opened);
        return source(opened);
      });
    },

    // The kernel's initiator does not hold up the guest.
    canLetGo: async () => true,
    // Without a session whoever opens the device waits for it.
    canPlug: async (volumeId, source) => source?.type !== 'block' || (await isConnected(volumeId)),
    disconnect: (volumeId, connection) => letGo(volumeId, connection, {}),
    abandon: (volumeId, connection) => letGo(volumeId, connection, { dead: true }),

    async grown(volumeId) {
      for (const unit of await unitsOf(volumeId, null))
        await targets.run(unit.iqn, () => growUnit(deps, unit));
    },

    async reconnect(volumeId) {
      const { iqn } = (await journal.get(volumeId)) ?? {};
      if (iqn === undefined) return null;
      return await targets.run(iqn, async () => {
        // It may have been disconnected while this waited for its turn.
        const entry = await journal.get(volumeId);
        if (entry === null) return null;
        const portals = await recordedPortals(places.nodes, iqn, entry.portals.map(parsePortal));
        if (portals.length === 0)
          throw new TaskError(
            'not-found',
            `open-iscsi has lost its records of ${iqn}: attach the volume anew`,
          );
        const unit = { iqn, lun: entry.lun, volumeId };
        const opened = await open(unit, portals, () => releaseUnit(deps, unit, { keepRecords: true }));
        await remember(entry, opened);
        return source(opened);
      });
    },

    async tidy(used) {
      const users = new Set([...used].map((each) => each.toLowerCase()));
      const isKept = async (volumeId: string): Promise<boolean> =>
        users.has(volumeId) || (await journal.get(volumeId)) !== null;
      await removeStale(deps, isKept, (iqn, work) => targets.run(iqn, work), options.log);
    },

    inventory: async () => ({ secrets: [], connections: await listConnections(places, journal) }),
  };
}

function source({ dev, discard }: OpenedUnit): DiskSource {
  return { type: 'block', dev, discard };
}

/** The order of the last connection first. */
function sameOrder(former: JournalEntry | null, portals: readonly Portal[]): Portal[] {
  const rank = (portal: Portal): number => {
    const index = former?.portals.indexOf(portalText(portal)) ?? -1;
    return index < 0 ? Number.MAX_SAFE_INTEGER : index;
  };
  return portals.toSorted((a, b) => rank(a) - rank(b));
}

/** The state folder is gone: target names end in `:volume-<id>`, and the disk itself says whose it is. */
async function unitsBySuffix(sys: string, volumeId: string): Promise<Unit[]> {
  const suffix = `:volume-${volumeId.toLowerCase()}`;
  const sessions = await listSessions(sys, (iqn) => iqn.endsWith(suffix));
  const units = await Promise.all(
    sessions.map(async (session) => {
      for (const device of await listDevices(session)) {
        if ((await serialOf(device)).toLowerCase() === volumeId.toLowerCase())
          return { iqn: session.iqn, lun: device.lun, volumeId };
      }
      return { iqn: session.iqn, lun: 0, volumeId };
    }),
  );
  return units.filter(({ iqn }, index) => units.findIndex((each) => each.iqn === iqn) === index);
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
