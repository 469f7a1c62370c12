import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TaskError } from '#schema/tasks.ts';
import type { Chap } from '../connector.ts';
import type { Portal } from '../portal.ts';

/** What open-iscsi is to know about a target. */
export interface TargetAccess {
  readonly iqn: string;
  readonly portals: readonly Portal[];
  /** The IQN to log in as, whatever the host calls itself elsewhere. */
  readonly initiator: string;
  readonly chap: Chap;
}

/** Seconds for which the kernel holds a guest's I/O back while the target does not answer. */
const REPLACEMENT_TIMEOUT_S = 86_400;

/** open-iscsi skips comments; this one says whose record it is. */
const MARK = '# Written by Blockyard';

/** Unlike an IQN in general, one that is a plain file name; also the characters that udev leaves as they are in links. */
const IQN = /^(?:iqn|eui|naa)\.[a-z0-9.:-]{1,219}$/;
/** What fits on one line of a record without quoting. */
const WORD = /^[\x21-\x7e]{1,255}$/;

/** @throws TaskError `invalid` for a name that is none, so that no target can lead out of the folder of records. */
export function checkIqn(iqn: string): void {
  if (!IQN.test(iqn)) throw new TaskError('invalid', 'the target has an invalid iSCSI name');
}

/**
 * Writes a record for each portal, whole or not at all, for root alone. `iscsiadm` takes a secret only as an argument, which
 * `ps` shows; a record is plain text, and every value that it lacks has its built-in default, whatever iscsid.conf says. No
 * lock is needed: open-iscsi reads a record in one go, and finds either the former file or this one.
 *
 * - `node.startup = manual`: a login at boot would be the distribution's, of volumes that may have gone elsewhere, and
 *   nobody would check which disk it brought; it would hold up the boot, too, while the storage node is away. The agent
 *   connects what its servers need.
 * - `node.session.scan = manual`: only the volume's own LUN becomes a device.
 * - One login attempt of ten seconds: further ones are the business of whoever asked.
 * - Unlike Cinder and os-brick, which leave iscsid.conf's 120 seconds, a guest's I/O waits a day for the target: a storage
 *   node that is repaired or restarted then costs a pause, not a file system. Where multipathd has a map it sets
 *   its own `fast_io_fail_tmo` instead.
 *
 * The files are named `address,port` (open-iscsi's form for a record without portal group tag, which only a discovery
 * would tell). Source: open-iscsi usr/idbm.c (`idbm_rec_write`, `idbm_rec_read`), etc/iscsid.conf.
 * @throws TaskError `invalid` for values that a record cannot hold.
 */
export async function writeNodeRecords(nodes: string, target: TargetAccess): Promise<void> {
  const records = target.portals.map((portal) => ({
    name: recordName(portal),
    text: recordText(target, portal),
  }));
  const folder = targetFolder(nodes, target.iqn);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await Promise.all(
    records.map(async ({ name, text }) => {
      // Without a comma, so open-iscsi does not take it for a record.
      const draft = join(folder, `draft-${name.replace(',', '-')}`);
      await rm(draft, { force: true });
      {
        await using file = await open(draft, 'wx', 0o600);
        await file.writeFile(text);
        await file.datasync();
      }
      await rename(draft, join(folder, name));
    }),
  );
  // A login to the whole target would try portals that it has no longer.
  const current = new Set(records.map(({ name }) => name));
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!current.has(name) && (await isOurs(path))) await rm(path, { force: true });
  }
  // They are what the volume is reached with after a power cut.
  await using names = await open(folder, 'r');
  await names.sync();
}

/** Those portals for which there is a record of ours, as after a reboot. */
export async function recordedPortals(
  nodes: string,
  iqn: string,
  portals: readonly Portal[],
): Promise<Portal[]> {
  const folder = targetFolder(nodes, iqn);
  const ours = await Promise.all(portals.map((portal) => isOurs(join(folder, recordName(portal)))));
  return portals.filter((_, index) => ours[index]);
}

/** Removes all records of one target; none is success. */
export async function removeNodeRecords(nodes: string, iqn: string): Promise<void> {
  await rm(targetFolder(nodes, iqn), { recursive: true, force: true });
}

/** Targets whose records, all of them, are ours. */
export async function ourTargets(nodes: string): Promise<string[]> {
  const found: string[] = [];
  for (const iqn of await readdir(nodes).catch(() => [])) {
    if (!IQN.test(iqn)) continue;
    const names = await readdir(join(nodes, iqn)).catch(() => []);
    const ours = await Promise.all(
      names.filter((name) => name.includes(',')).map((name) => isOurs(join(nodes, iqn, name))),
    );
    if (ours.length > 0 && ours.every(Boolean)) found.push(iqn);
  }
  return found;
}

async function isOurs(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.startsWith(`${MARK}\n`);
}

function targetFolder(nodes: string, iqn: string): string {
  checkIqn(iqn);
  return join(nodes, iqn);
}

function recordName({ host, port }: Portal): string {
  return `${host},${port}`;
}

function recordText({ iqn, initiator, chap }: TargetAccess, portal: Portal): string {
  for (const [what, word] of [
    ['initiator name', initiator],
    ['CHAP name', chap.username],
    ['CHAP secret', chap.secret],
  ] as const) {
    if (!WORD.test(word)) throw new TaskError('invalid', `the ${what} cannot stand in a node record`);
  }
  return `${MARK}
node.name = ${iqn}
node.startup = manual
node.leading_login = No
iface.iscsi_ifacename = default
iface.transport_name = tcp
iface.initiatorname = ${initiator}
node.discovery_type = static
node.session.scan = manual
node.session.initial_login_retry_max = 1
node.session.auth.authmethod = CHAP
node.session.auth.username = ${chap.username}
node.session.auth.password = ${chap.secret}
node.session.timeo.replacement_timeout = ${REPLACEMENT_TIMEOUT_S}
node.session.iscsi.FastAbort = Yes
node.conn[0].address = ${portal.host}
node.conn[0].port = ${portal.port}
node.conn[0].startup = manual
node.conn[0].timeo.login_timeout = 10
node.conn[0].timeo.logout_timeout = 10
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 5
`;
}
