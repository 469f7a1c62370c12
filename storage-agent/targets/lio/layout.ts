/** Where things lie in the tree (kernel Documentation/target, drivers/target/iscsi/iscsi_target_configfs.c). */

/** targetcli hands out the lowest free number, so ours are far above. */
const FIRST_INDEX = 1_000_000;

export const FABRIC = 'iscsi';
export const CORE = 'core';
const INDEX = /^iblock_(\d+)$/;

/** @param number the volume's, unique among all volumes. */
export function hbaOf(number: number): string {
  return `${CORE}/iblock_${FIRST_INDEX + number}`;
}

/** True for the name in `core/` of a backstore folder that can only be ours. */
export function isOurHba(name: string): boolean {
  return Number(INDEX.exec(name)?.[1] ?? 0) > FIRST_INDEX;
}

export const targetOf = (iqn: string): string => `${FABRIC}/${iqn}`;
export const tpgOf = (iqn: string): string => `${FABRIC}/${iqn}/tpgt_1`;

/** Numbered logical units, of a portal group or of an initiator. */
export const isLun = (name: string): boolean => /^lun_\d+$/.test(name);

/** The logical unit that every export has. */
export const LUN = 0;
/** Name of the links below it; any would do. */
export const LINK = 'volume';
