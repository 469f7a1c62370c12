import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Portal } from '../portal.ts';

/** A session of the kernel's initiator. */
export interface Session {
  readonly sid: number;
  readonly iqn: string;
  /** The portal that was asked for, whatever the target redirected to; null while it is being made or removed. */
  readonly portal: Portal | null;
  /** `LOGGED_IN`, or `FAILED` while the target does not answer, or `FREE`. */
  readonly state: string;
  readonly initiator: string;
  /** The SCSI host's number; open-iscsi makes one per session. */
  readonly host: number;
  /** Its folder in sysfs: `…/host2/session1`. */
  readonly folder: string;
}

/**
 * The sessions with targets of which `wanted` is true. A session that disappears meanwhile is left out.
 * Source: linux drivers/scsi/scsi_transport_iscsi.c.
 */
export async function listSessions(sys: string, wanted: (iqn: string) => boolean): Promise<Session[]> {
  const folder = join(sys, 'class/iscsi_session');
  // Missing until the first login has loaded the module.
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^session\d+$/.test(name));
  const sessions = await Promise.all(names.map((name) => readSession(join(folder, name), wanted)));
  return sessions.filter((session) => session !== null).toSorted((a, b) => a.sid - b.sid);
}

async function readSession(path: string, wanted: (iqn: string) => boolean): Promise<Session | null> {
  try {
    const iqn = await attribute(path, 'targetname');
    if (!wanted(iqn)) return null;
    // …/host2/session1/iscsi_session/session1
    const folder = dirname(dirname(await realpath(path)));
    const host = /^host(\d+)$/.exec(basename(dirname(folder)))?.[1];
    if (host === undefined) return null;
    return {
      sid: Number(basename(path).slice('session'.length)),
      iqn,
      portal: await readPortal(folder),
      state: await attribute(path, 'state'),
      initiator: await attribute(path, 'initiatorname'),
      host: Number(host),
      folder,
    };
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

async function readPortal(folder: string): Promise<Portal | null> {
  const name = (await readdir(folder)).find((each) => /^connection\d+:0$/.test(each));
  if (name === undefined) return null;
  const connection = join(folder, name, 'iscsi_connection', name);
  const host = await attribute(connection, 'persistent_address');
  const port = Number(await attribute(connection, 'persistent_port'));
  return host === '' || !Number.isInteger(port) ? null : { host, port };
}

/** @throws NodeJS.ErrnoException */
export async function attribute(folder: string, name: string): Promise<string> {
  const text = (await readFile(join(folder, name), 'utf8')).trim();
  return text === '<NULL>' || text === '(null)' ? '' : text;
}

/** What sysfs answers for something that has just been removed, or is half made. */
export function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO' || code === 'ENOTCONN' || code === 'EINVAL'
  );
}

/** True when a session was asked for at this portal. */
export function isAt(session: Session, { host, port }: Portal): boolean {
  return session.portal?.host === host && session.portal.port === port;
}
