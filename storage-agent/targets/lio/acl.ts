import { isLun, LINK, LUN } from './layout.ts';
import type { Tree } from './tree.ts';

/** One initiator's account; as targets/target.ts has it. */
export interface AclSpec {
  readonly initiator: string;
  readonly username: string;
  readonly secret: string;
}

/** Initiators that the portal group lists. */
export function aclsOf(tree: Tree, tpg: string): string[] {
  return tree.list(`${tpg}/acls`);
}

/** Lets the initiator log in with its account, and see the LUN. Without an account the kernel lets nobody in. */
export function ensureAcl(tree: Tree, tpg: string, { initiator, username, secret }: AclSpec): void {
  const dir = `${tpg}/acls/${initiator}`;
  const fresh = tree.mkdir(dir);
  for (const [name, value] of [
    ['userid', username],
    ['password', secret],
  ] as const) {
    const path = `${dir}/auth/${name}`;
    if (fresh || tree.read(path) !== value) tree.write(path, value);
  }
  const lun = `${dir}/lun_${LUN}`;
  if (tree.mkdir(lun) || tree.links(lun).length === 0) tree.link(`${lun}/${LINK}`, `${tpg}/lun/lun_${LUN}`);
}

/**
 * Shuts the initiator out. The kernel closes its sessions and answers when they are gone, after their last command
 * (`core_tpg_del_initiator_node_acl`).
 */
export function removeAcl(tree: Tree, tpg: string, initiator: string): void {
  const dir = `${tpg}/acls/${initiator}`;
  for (const lun of tree.list(dir).filter(isLun)) removeLun(tree, `${dir}/${lun}`);
  tree.rmdir(dir);
}

/** Removes a logical unit of a portal group or of an initiator. */
export function removeLun(tree: Tree, lun: string): void {
  for (const link of tree.links(lun)) tree.unlink(`${lun}/${link}`);
  tree.rmdir(lun);
}

/** 1 while the initiator is logged in, however often: the kernel tells of its newest session only. */
export function sessionsOf(tree: Tree, tpg: string, initiator: string): number {
  const info = tree.read(`${tpg}/acls/${initiator}/info`);
  return info === null || info.startsWith('No active iSCSI Session') ? 0 : 1;
}

/** What a logical unit links to; null without a link. */
export function linkedBy(tree: Tree, lun: string): string | null {
  const [link] = tree.links(lun);
  return link === undefined ? null : tree.readlink(`${lun}/${link}`);
}
