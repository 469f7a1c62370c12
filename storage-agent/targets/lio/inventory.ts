import type { ExportItem } from '#schema/inventory.ts';
import { aclsOf, linkedBy, sessionsOf } from './acl.ts';
import { listTargets } from './export.ts';
import { CORE, isOurHba, LUN, tpgOf } from './layout.ts';
import type { Tree } from './tree.ts';

/** An export, or what is left of one, with the name of its volume. */
export interface NamedExport extends Omit<ExportItem, 'volumeId'> {
  readonly name: string;
}

/** Every target whose name begins so, and every backstore of ours that none of them offers. */
export function listExports(tree: Tree, prefix: string): NamedExport[] {
  const exports = listTargets(tree)
    .filter((iqn) => iqn.startsWith(prefix))
    .map((iqn) => readExport(tree, iqn, iqn.slice(prefix.length)));
  const offered = new Set(exports.map(({ name }) => name));
  const strays = tree
    .list(CORE)
    .filter(isOurHba)
    .flatMap((hba) => tree.list(`${CORE}/${hba}`).filter((name) => !name.startsWith('hba_')))
    .filter((name) => !offered.has(name))
    .map((name) => ({
      name,
      iqn: `${prefix}${name}`,
      path: null,
      lun: null,
      serial: null,
      initiators: [],
      sessions: [],
    }));
  return [...exports, ...strays];
}

function readExport(tree: Tree, iqn: string, name: string): NamedExport {
  const tpg = tpgOf(iqn);
  const unit = `${tpg}/lun/lun_${LUN}`;
  const link = linkedBy(tree, unit);
  // As the kernel spells it: …/core/iblock_1000001/volume-<id>
  const backstore = link === null ? null : (/core\/iblock_\d+\/[^/]+$/.exec(link)?.[0] ?? null);
  const on = tree.read(`${tpg}/enable`) === '1';
  const initiators = aclsOf(tree, tpg);
  return {
    name,
    iqn,
    path: backstore === null || !on ? null : tree.read(`${backstore}/udev_path`),
    lun: link === null ? null : LUN,
    serial:
      backstore === null
        ? null
        : (/: (.+)$/.exec(tree.read(`${backstore}/wwn/vpd_unit_serial`) ?? '')?.[1] ?? null),
    initiators,
    sessions: initiators.filter((initiator) => sessionsOf(tree, tpg, initiator) > 0),
  };
}
