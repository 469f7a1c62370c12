/** Beginnings of formats that are known and not supported: taking such data for raw is never what was meant. */
const FOREIGN: readonly (readonly [name: string, offset: number, mark: string])[] = [
  ['a VMDK of an old kind (COWD)', 0, 'COWD'],
  ['a VMDK of another kind (SESparse)', 0, '\xbe\xba\xfe\xca\x00\x00\x00\x00'],
  ['a VHD', 0, 'conectix'],
  ['a VDI', 64, '\x7f\x10\xda\xbe'],
  ['a QED image', 0, 'QED\x00'],
  ['a Parallels image', 0, 'WithoutFreeSpace'],
  ['a Parallels image', 0, 'WithouFreSpacExt'],
  ['a Bochs image', 0, 'Bochs Virtual HD Image'],
  ['a compressed loop image', 0, '#!/bin/sh\n#V2.0 Format'],
  ['encrypted with LUKS', 0, 'LUKS\xba\xbe'],
  ['compressed (gzip)', 0, '\x1f\x8b\x08'],
  ['compressed (xz)', 0, '\xfd7zXZ\x00'],
  ['compressed (zstd)', 0, '\x28\xb5\x2f\xfd'],
  ['compressed (bzip2)', 0, 'BZh'],
];

/** The unsupported format that the data begins like, or null. */
export function foreignFormat(head: Buffer): string | null {
  if (isVmdkDescriptor(head)) return 'a VMDK descriptor that names other files';
  return FOREIGN.find(([, offset, mark]) => stands(head, offset, mark))?.[0] ?? null;
}

/** As QEMU probes for one: comments and blank lines, then the version. */
function isVmdkDescriptor(head: Buffer): boolean {
  const text = head.toString('latin1', 0, 64 * 1024);
  return /^(?:#[^\n]*\n|[ \t\r]*\n)*version=\d/.test(text) || /^#\s*Disk DescriptorFile/i.test(text);
}

/** What makes other programs take the data for a disk or an optical disc. */
const DISC_MARKS: readonly (readonly [name: string, offset: number, mark: string])[] = [
  ['a partition table', 510, '\x55\xaa'],
  ['a partition table', 512, 'EFI PART'],
  ['an ISO 9660 file system', 0x8001, 'CD001'],
  ['a UDF file system', 0x8001, 'BEA01'],
];

/**
 * What else a file with a container format's header wants to be: data that two readers understand differently are an
 * attack. Only the first `ownBytes` are looked at, where the format has no place for guests' data.
 */
export function secondNature(head: Buffer, ownBytes: number): string | false {
  const mark = DISC_MARKS.find(
    ([, offset, text]) => offset + text.length <= ownBytes && stands(head, offset, text),
  );
  return mark !== undefined && `the image is two things at once: it also holds ${mark[0]}`;
}

function stands(head: Buffer, offset: number, mark: string): boolean {
  return head.toString('latin1', offset, offset + mark.length) === mark;
}
