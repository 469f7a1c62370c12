/**
 * The limits libvirt puts on one disk (`<iotune>`), in libvirt's own words.
 * Source: libvirt formatdomain, "iotune"; virsh(1), "blkdeviotune".
 */

/** Every numeric key libvirt knows, in the order its schema and documentation list them. */
export const IOTUNE_KEYS = [
  'total_bytes_sec',
  'read_bytes_sec',
  'write_bytes_sec',
  'total_iops_sec',
  'read_iops_sec',
  'write_iops_sec',
  'total_bytes_sec_max',
  'read_bytes_sec_max',
  'write_bytes_sec_max',
  'total_iops_sec_max',
  'read_iops_sec_max',
  'write_iops_sec_max',
  'size_iops_sec',
  'total_bytes_sec_max_length',
  'read_bytes_sec_max_length',
  'write_bytes_sec_max_length',
  'total_iops_sec_max_length',
  'read_iops_sec_max_length',
  'write_iops_sec_max_length',
] as const;

export type IotuneKey = (typeof IOTUNE_KEYS)[number];

/** bytes/s, operations/s, seconds (`_length`) or bytes (`size_iops_sec`); an absent key means no limit. */
export type Iotune = { [key in IotuneKey]?: number } & { group_name?: string };
