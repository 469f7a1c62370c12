import { type Connection, TaskError } from '#schema/tasks.ts';
import type { ClearAcl } from './target.ts';

/**
 * tgtd finds its parameters with strstr and splits them at commas, so a name like `x,initiator-address=ALL` would open
 * the target to everybody; in LIO names are folders. Only plain names pass. RFC 7143 4.2.7.1: at most 223 bytes.
 */
const ISCSI_NAME = /^(?:iqn|eui|naa)\.[A-Za-z0-9._:-]{1,219}$/;
/** LIO takes words that begin with NULL for none (`__DEF_NACL_AUTH_STR`, iscsi_target_configfs.c). */
const USERNAME = /^(?!NULL|-)[A-Za-z0-9._:@-]{1,223}$/;
/**
 * tgtd keeps 255 bytes (`ISCSI_NAME_LEN`, usr/iscsi/chap.c) and so does LIO (`MAX_PASS_LEN`); printable ASCII means
 * the same bytes to every initiator.
 */
const SECRET = /^(?!NULL)[\x21-\x7e]{1,255}$/;

/** @throws TaskError `invalid`, naming the kind of value and never the value. */
export function assertAcls(acls: readonly ClearAcl[]): void {
  if (acls.length === 0) throw new TaskError('invalid', 'an export needs at least one initiator');
  for (const { initiator, username, secret } of acls) {
    if (!ISCSI_NAME.test(initiator)) throw new TaskError('invalid', 'not an iSCSI initiator name');
    if (!USERNAME.test(username))
      throw new TaskError('invalid', 'a CHAP user name that the target cannot take');
    if (!SECRET.test(secret)) throw new TaskError('invalid', 'a CHAP secret that the target cannot take');
  }
  const distinct = new Map(acls.map(({ username, secret }) => [username, secret]));
  if (acls.some(({ username, secret }) => distinct.get(username) !== secret))
    throw new TaskError('invalid', 'one CHAP user name with two secrets');
}

/** `address:port`, IPv6 in brackets. */
const PORTAL = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;

/** Of another host's export, which that host has told of. @throws TaskError `invalid` */
export function assertConnection({ portals, iqn }: Connection): void {
  if (!ISCSI_NAME.test(iqn)) throw new TaskError('invalid', 'not an iSCSI target name');
  if (!portals.every((portal) => PORTAL.test(portal)))
    throw new TaskError('invalid', 'a portal that is not address:port');
}

/** @throws TaskError `invalid` */
export function assertPath(path: string): void {
  if (!path.startsWith('/') || /[,\n\0]/.test(path))
    throw new TaskError('invalid', 'a device path that the target cannot take');
}
