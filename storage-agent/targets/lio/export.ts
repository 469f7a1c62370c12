import { type AclSpec, aclsOf, ensureAcl, linkedBy, removeAcl, removeLun, sessionsOf } from './acl.ts';
import {
  type BackstoreSpec,
  backstoreOf,
  ensureBackstore,
  findBackstores,
  isWrongBackstore,
  removeBackstore,
} from './backstore.ts';
import { FABRIC, isLun, LINK, LUN, targetOf, tpgOf } from './layout.ts';
import { Refusal } from './refusal.ts';
import { StepError, type Tree } from './tree.ts';

/** A whole export, as it should be. */
export interface ExportSpec {
  readonly iqn: string;
  readonly backstore: BackstoreSpec;
  /** `address:port`, IPv6 in brackets. */
  readonly portals: readonly string[];
  readonly acls: readonly AclSpec[];
}

/** An export, as it is. */
export interface Found {
  readonly initiators: readonly string[];
  readonly sessions: number;
}

/**
 * Makes the export complete, with exactly these ACLs, from whatever is there of it.
 *
 * The backstore has its serial number before any LUN links to it; an initiator has its account before it sees the
 * LUN; and nobody can log in to a new export before its last step.
 * @throws Refusal when it has another device and is in use.
 */
export function ensureExport(tree: Tree, spec: ExportSpec): void {
  const fresh = makeTarget(tree, targetOf(spec.iqn));
  const tpg = tpgOf(spec.iqn);
  if (!fresh) {
    shutOut(tree, tpg, new Set(spec.acls.map(({ initiator }) => initiator)));
    if (isWrong(tree, tpg, spec.backstore)) {
      if (sessionsIn(tree, tpg) > 0)
        throw new Refusal('the export has another device or serial number, and it is in use');
      removeExport(tree, { iqn: spec.iqn, ...spec.backstore });
      makeTarget(tree, targetOf(spec.iqn));
    }
  }
  tree.mkdir(tpg);
  tree.write(`${tpg}/attrib/authentication`, '1');
  tree.write(`${tpg}/attrib/generate_node_acls`, '0');
  // Who has no ACL shall not even see the target's name.
  tree.write(`${tpg}/attrib/demo_mode_discovery`, '0');
  ensureBackstore(tree, spec.backstore);
  ensureLun(tree, `${tpg}/lun/lun_${LUN}`, backstoreOf(spec.backstore));
  for (const portal of spec.portals) ensurePortal(tree, tpg, portal);
  for (const acl of spec.acls) ensureAcl(tree, tpg, acl);
  // Enabling what is enabled is an error.
  if (fresh || tree.read(`${tpg}/enable`) !== '1') tree.write(`${tpg}/enable`, '1');
}

/** Which export: the number is null when it is not known. */
export interface ExportName {
  readonly iqn: string;
  /** Of its backstore. */
  readonly name: string;
  readonly number: number | null;
}

/** Cuts off everybody and removes all that there is of the export. */
export function removeExport(tree: Tree, { iqn, name, number }: ExportName): void {
  const target = targetOf(iqn);
  for (const entry of tree.list(target)) {
    if (!entry.startsWith('tpgt_')) continue;
    const tpg = `${target}/${entry}`;
    if (tree.read(`${tpg}/enable`) === '1') tree.write(`${tpg}/enable`, '0');
    shutOut(tree, tpg, new Set());
    for (const lun of tree.list(`${tpg}/lun`).filter(isLun)) removeLun(tree, `${tpg}/lun/${lun}`);
    for (const portal of tree.list(`${tpg}/np`)) tree.rmdir(`${tpg}/np/${portal}`);
    tree.rmdir(tpg);
  }
  tree.rmdir(target);
  for (const dir of findBackstores(tree, name)) removeBackstore(tree, dir);
  // Of a removal that was cut short its empty HBA may be left, which bears no name.
  if (number !== null) removeBackstore(tree, backstoreOf({ number, name }));
}

/** Its backstore may be all that is left. */
export function findExport(tree: Tree, { iqn, name }: Omit<ExportName, 'number'>): Found | null {
  const tpg = tpgOf(iqn);
  if (tree.list(targetOf(iqn)).length > 0)
    return { initiators: aclsOf(tree, tpg), sessions: sessionsIn(tree, tpg) };
  return findBackstores(tree, name).length > 0 ? { initiators: [], sessions: 0 } : null;
}

/** IQNs of all targets, whoever's they are. */
export function listTargets(tree: Tree): string[] {
  return tree.list(FABRIC).filter((name) => /^(?:iqn|eui|naa)\./.test(name));
}

function makeTarget(tree: Tree, target: string): boolean {
  try {
    return tree.mkdir(target);
  } catch (error) {
    if (!(error instanceof StepError) || error.errno !== 'ENOENT') throw error;
    tree.mkdir(FABRIC);
    return tree.mkdir(target);
  }
}

function shutOut(tree: Tree, tpg: string, stay: ReadonlySet<string>): void {
  for (const initiator of aclsOf(tree, tpg)) if (!stay.has(initiator)) removeAcl(tree, tpg, initiator);
}

function sessionsIn(tree: Tree, tpg: string): number {
  return aclsOf(tree, tpg).reduce((sum, initiator) => sum + sessionsOf(tree, tpg, initiator), 0);
}

function isWrong(tree: Tree, tpg: string, spec: BackstoreSpec): boolean {
  const linked = linkedBy(tree, `${tpg}/lun/lun_${LUN}`);
  if (linked === null) return false;
  return !linked.endsWith(`/${backstoreOf(spec)}`) || isWrongBackstore(tree, spec);
}

function ensureLun(tree: Tree, lun: string, backstore: string): void {
  if (tree.mkdir(lun) || tree.links(lun).length === 0) tree.link(`${lun}/${LINK}`, backstore);
}

/** All exports share the kernel's listeners. */
const PORTAL_TRIES = 10;
const PORTAL_AGAIN_MS = 50;

/**
 * The kernel also listens on an address that this host does not have, or not yet. It says EINVAL when another program has
 * the port, and also while its own listener is just going, with the last other export that had it.
 */
function ensurePortal(tree: Tree, tpg: string, portal: string): void {
  for (let left = PORTAL_TRIES - 1; ; left -= 1) {
    try {
      tree.mkdir(`${tpg}/np/${portal}`);
      return;
    } catch (error) {
      if (!(error instanceof StepError) || error.errno !== 'EINVAL') throw error;
      if (left === 0)
        throw new Error(`the kernel cannot listen on portal ${portal}: does another program?`, {
          cause: error,
        });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PORTAL_AGAIN_MS);
  }
}
