import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Portal } from '../portal.ts';
import { attribute, isGone, type Session } from './sessions.ts';

/** One logical unit of a session, as the kernel's SCSI layer has it. */
export interface ScsiDevice {
  readonly lun: number;
  /** Its folder in sysfs: `…/session1/target2:0:0/2:0:0:0`. */
  readonly folder: string;
  /** For example `sda`; null until the disk driver has taken it, and for units that are no disks. */
  readonly block: string | null;
}

/** Every logical unit that the session has a device for. */
export async function listDevices(session: Session): Promise<ScsiDevice[]> {
  const targets = (await list(session.folder)).filter((name) => /^target\d+:\d+:\d+$/.test(name));
  const devices = await Promise.all(
    targets.map(async (target) => {
      const names = (await list(join(session.folder, target))).filter((name) => /^\d+(:\d+){3}$/.test(name));
      return await Promise.all(
        names.map(async (name) => {
          const folder = join(session.folder, target, name);
          return {
            lun: Number(name.split(':')[3]),
            folder,
            block: (await list(join(folder, 'block')))[0] ?? null,
          };
        }),
      );
    }),
  );
  return devices.flat();
}

/**
 * The unit's own serial number (INQUIRY VPD page 0x80), which the kernel read when it found the unit; empty when it has none.
 * Source: SPC-4 7.8.19.
 */
export async function serialOf({ folder }: ScsiDevice): Promise<string> {
  return parseSerialPage(await readFile(join(folder, 'vpd_pg80')).catch(() => Buffer.alloc(0)));
}

export function parseSerialPage(page: Buffer): string {
  if (page.length < 4 || page[1] !== 0x80) return '';
  const length = page.readUInt16BE(2);
  return page
    .subarray(4, 4 + length)
    .toString('latin1')
    .replaceAll('\0', '')
    .trim();
}

/**
 * What multipath-tools and udev call the unit: a digit for the kind of name (3 NAA, 2 EUI-64), then its hexadecimal digits.
 * Null when it has neither.
 */
export async function wwidOf({ folder }: ScsiDevice): Promise<string | null> {
  const text = await attribute(folder, 'wwid').catch(() => '');
  const [, kind, digits] = /^(naa|eui)\.([0-9a-f]+)$/.exec(text) ?? [];
  return kind === undefined ? null : `${kind === 'naa' ? '3' : '2'}${digits}`;
}

/** Block devices that are built on this one, for example `dm-0`. */
export async function holdersOf(sys: string, block: string): Promise<string[]> {
  return await list(join(sys, 'class/block', block, 'holders'));
}

/** What the device mapper calls one of its devices, if it is a multipath map. */
export async function multipathName(sys: string, block: string): Promise<string | null> {
  const dm = join(sys, 'class/block', block, 'dm');
  const uuid = await attribute(dm, 'uuid').catch(() => '');
  return uuid.startsWith('mpath-') ? await attribute(dm, 'name') : null;
}

/** Whether the disk takes a guest's TRIM. */
export async function discards(sys: string, block: string): Promise<boolean> {
  const most = await attribute(join(sys, 'class/block', block), 'queue/discard_max_bytes').catch(() => '0');
  return Number(most) > 0;
}

/**
 * udev's link for it, below `/dev/disk/by-path`.
 * Source: systemd src/udev/udev-builtin-path_id.c (`handle_scsi_iscsi`, `format_lun_number`).
 */
export function byPathName(iqn: string, { host, port }: Portal, lun: number): string {
  return `ip-${host}:${port}-iscsi-${iqn}-lun-${lun}`;
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
