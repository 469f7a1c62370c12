import { CORE, hbaOf, isOurHba } from './layout.ts';
import { Refusal } from './refusal.ts';
import { StepError, type Tree } from './tree.ts';

/** A block device as LIO offers it. */
export interface BackstoreSpec {
  /** `volume-<id>` */
  readonly name: string;
  readonly number: number;
  /** Block device; LIO holds it exclusively. */
  readonly path: string;
  /** The device discards. */
  readonly discard: boolean;
  /** Serial number that initiators see (VPD pages 0x80 and 0x83); the kernel derives the NAA designator from it. */
  readonly serial: string;
}

/** The backstore's folder. */
export function backstoreOf({ number, name }: Pick<BackstoreSpec, 'number' | 'name'>): string {
  return `${hbaOf(number)}/${name}`;
}

/**
 * Makes the backstore complete, as far as it can be changed while it is exported.
 * @throws Refusal when somebody else has its index.
 */
export function ensureBackstore(tree: Tree, spec: BackstoreSpec): void {
  const hba = hbaOf(spec.number);
  if (!tree.mkdir(hba)) refuseForeign(tree, hba, spec.name);
  const dir = backstoreOf(spec);
  const fresh = tree.mkdir(dir);
  if (fresh || tree.read(`${dir}/enable`) !== '1') open(tree, dir, spec);
  // These two are fixed once a LUN links to it. The alias makes the name's first 15 characters the product name.
  if (fresh || !hasSerial(tree, dir, spec.serial)) tree.write(`${dir}/wwn/vpd_unit_serial`, spec.serial);
  const alias = `${dir}/attrib/emulate_model_alias`;
  if (fresh || tree.read(alias) !== '1') tree.write(alias, '1');
  try {
    tree.write(`${dir}/attrib/emulate_tpu`, spec.discard ? '1' : '0');
  } catch (error) {
    // The device takes no discard after all (a pool with `--discards ignore`): then initiators are told of none.
    if (!(error instanceof StepError) || error.errno !== 'ENOSYS') throw error;
  }
  // Extended copy finds its other device by serial number, whoever has access to it (CVE-2020-28374).
  tree.write(`${dir}/attrib/emulate_3pc`, '0');
}

/** True when a backstore that is in use is not what it should be in a way that only making it anew can mend. */
export function isWrongBackstore(tree: Tree, spec: BackstoreSpec): boolean {
  const dir = backstoreOf(spec);
  if (tree.read(`${dir}/enable`) !== '1') return false;
  return tree.read(`${dir}/udev_path`) !== spec.path || !hasSerial(tree, dir, spec.serial);
}

/** Removes the backstore, and its HBA when nothing else is in it. */
export function removeBackstore(tree: Tree, dir: string): void {
  tree.rmdir(dir);
  try {
    tree.rmdir(dir.slice(0, dir.lastIndexOf('/')));
  } catch (error) {
    if (!(error instanceof StepError) || error.errno !== 'ENOTEMPTY') throw error;
  }
}

/** Folders of backstores of this name, whatever their number: at most one, unless the database was exchanged. */
export function findBackstores(tree: Tree, name: string): string[] {
  return tree
    .list(CORE)
    .filter(isOurHba)
    .map((hba) => `${CORE}/${hba}/${name}`)
    .filter((dir) => tree.read(`${dir}/enable`) !== null);
}

function open(tree: Tree, dir: string, spec: BackstoreSpec): void {
  tree.write(`${dir}/control`, `udev_path=${spec.path},readonly=0`);
  // What targetcli shows.
  tree.write(`${dir}/udev_path`, spec.path);
  // The kernel promises writes that force unit access and drops the force where the disk below has none (`iblock_execute_rw`):
  // they would be answered out of the disk's cache. So none are promised, and initiators flush. Only now: those that have been promised keep asking.
  tree.write(`${dir}/attrib/emulate_fua_write`, '0');
  try {
    tree.write(`${dir}/enable`, '1');
  } catch (error) {
    if (!(error instanceof StepError) || error.errno !== 'EBUSY') throw error;
    const strays = findBackstores(tree, spec.name).filter((stray) => stray !== dir);
    if (strays.length === 0)
      throw new Error(`${spec.path} is in use by something else on this host`, { cause: error });
    for (const stray of strays) removeBackstore(tree, stray);
    tree.write(`${dir}/enable`, '1');
  }
}

function hasSerial(tree: Tree, dir: string, serial: string): boolean {
  return tree.read(`${dir}/wwn/vpd_unit_serial`)?.endsWith(`: ${serial}`) ?? false;
}

/** An HBA folder holds the kernel's own files and one folder per backstore. */
function refuseForeign(tree: Tree, hba: string, name: string): void {
  const foreign = tree.list(hba).find((entry) => entry !== name && !entry.startsWith('hba_'));
  if (foreign !== undefined)
    throw new Refusal(`LIO’s ${hba} has another backstore, ${foreign}: its index is the volume’s own`);
}
