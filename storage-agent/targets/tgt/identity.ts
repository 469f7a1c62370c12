/** The logical unit behind every export; 0 is tgtd's own controller. */
export const LUN = 1;

/** What a guest sees of a volume; it follows from the volume id alone. */
export interface Identity {
  readonly scsiId: string;
  readonly scsiSn: string;
}

/**
 * Serial number (VPD page 0x80): the volume id, 36 characters, the most that tgtd holds (`SCSI_SN_LEN`).
 * SCSI id: its 32 hexadecimal digits, which tgtd turns into the 16-byte NAA designator of page 0x83 (first digit
 * replaced by 6) that Linux builds by-id links from.
 */
export function identityOf(volumeId: string): Identity {
  const id = volumeId.toLowerCase();
  return { scsiId: id.replaceAll('-', ''), scsiSn: id };
}

/** tgtd's target numbers are 32-bit and positive; 28 bits keep clear of the digit that the NAA designator overwrites. */
export const MAX_TID = 0xfff_ffff;

/**
 * The target number to try first. It is part of page 0x83 too (NAA, locally assigned), so it follows from the volume
 * id and not from the order of exports.
 */
export function firstTid(volumeId: string): number {
  return (Number.parseInt(volumeId.slice(0, 7), 16) % MAX_TID) + 1;
}
