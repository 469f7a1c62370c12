import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionItem } from '#schema/inventory.ts';
import type { Journal } from './journal.ts';
import { ourTargets } from './node-record.ts';
import type { Places } from './places.ts';
import { listDevices, serialOf } from './scsi-device.ts';
import { listSessions, type Session } from './sessions.ts';

const VOLUME = /:volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * Every volume that this host is connected to, or has anything left of: by the journal, our node records, the kernel's sessions
 * with targets that are named after a volume, and udev's links. A target of others that is named so, and of which
 * nothing else is ours, is left out.
 */
export async function listConnections(places: Places, journal: Journal): Promise<ConnectionItem[]> {
  const noted = new Map((await journal.all()).map((entry) => [entry.iqn, entry.volumeId]));
  const records = new Set(await ourTargets(places.nodes));
  const isOurs = (iqn: string): boolean => noted.has(iqn) || records.has(iqn);
  const sessions = Map.groupBy(await listSessions(places.sys, isOurs), ({ iqn }) => iqn);
  const links = await readdir(join(places.dev, 'disk/by-path')).catch(() => []);
  const items = await Promise.all(
    [...new Set([...noted.keys(), ...records])].toSorted().map(async (iqn) => {
      const volumeId = noted.get(iqn) ?? VOLUME.exec(iqn)?.[1];
      if (volumeId === undefined) return [];
      const here = sessions.get(iqn) ?? [];
      return [
        {
          volumeId,
          iqn,
          journal: noted.has(iqn),
          records: records.has(iqn),
          sessions: here.map(({ state }) => state),
          devices: (await Promise.all(here.map(devicesOf))).flat(),
          links: links.filter((name) => name.includes(`-iscsi-${iqn}-lun-`)),
        },
      ];
    }),
  );
  return items.flat();
}

async function devicesOf(session: Session): Promise<ConnectionItem['devices']> {
  const devices = await listDevices(session);
  return await Promise.all(
    devices.map(async (device) => ({
      lun: device.lun,
      block: device.block,
      serial: await serialOf(device),
    })),
  );
}
