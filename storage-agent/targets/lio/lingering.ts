import { aclsOf, sessionsOf } from './acl.ts';
import { targetOf, tpgOf } from './layout.ts';
import type { Tree } from './tree.ts';

/** Sessions of a whole target, whoever's (kernel: iscsi_target_stat.c, `tiqn_nsessions`). */
const SESSIONS = 'fabric_statistics/iscsi_instance/sessions';

/**
 * What this initiator still has of a target: words, or null for nothing. The kernel tells of an initiator's session in its ACL, which is
 * gone; but it also counts the target's sessions, and where nobody else is logged in there must be none.
 */
export function lingering(tree: Tree, iqn: string, initiator: string): string | null {
  const tpg = tpgOf(iqn);
  const acls = aclsOf(tree, tpg);
  if (acls.includes(initiator)) return 'may still log in';
  const count = Number(tree.read(`${targetOf(iqn)}/${SESSIONS}`) ?? 0);
  const others = acls.some((each) => sessionsOf(tree, tpg, each) > 0);
  return others || count === 0 ? null : `has ${count} session(s) left`;
}
