import { secondNature } from './foreign.ts';
import { found, type Inspection } from './inspection.ts';

const SECTOR = 512;
/** Where QEMU reads the descriptor, and how much of it, whatever the header says (block/vmdk.c). */
const DESCRIPTOR_SECTOR = 1n;
const DESCRIPTOR_BYTES = 20 * SECTOR;

/** VMware's "Virtual Disk Format 5.0": a sparse extent that carries its own descriptor. */
export function inspectVmdk(head: Buffer): Inspection {
  if (head.length < 2 * SECTOR) return found('vmdk', null, []);
  const capacity = head.readBigUInt64LE(12);
  const descriptorAt = head.readBigUInt64LE(28);
  const descriptorSectors = head.readBigUInt64LE(36);
  const overhead = head.readBigUInt64LE(64);
  if (descriptorAt !== DESCRIPTOR_SECTOR || descriptorSectors < 1n || descriptorSectors > 128n) {
    return found('vmdk', null, ['the VMDK has no descriptor of its own: it is a part of another image']);
  }
  const bytes = Math.max(DESCRIPTOR_BYTES, Number(descriptorSectors) * SECTOR);
  const region = head.toString('latin1', SECTOR, SECTOR + bytes);
  return found('vmdk', capacity * BigInt(SECTOR), [
    // A capacity of 0 makes QEMU read the descriptor as if it stood alone, and open what it names.
    capacity === 0n && 'the VMDK is only a descriptor, which names other files',
    /parentFileNameHint/i.test(region) && 'the VMDK has a parent image',
    descriptorProblem(region.slice(0, Number(descriptorSectors) * SECTOR)),
    secondNature(head, overhead < 1024n ? Number(overhead) * SECTOR : 1024 * SECTOR),
  ]);
}

const KINDS = ['monolithicsparse', 'streamoptimized'];

function descriptorProblem(sectors: string): string | false {
  const [text = ''] = sectors.split('\0', 1);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const value = (key: RegExp): string[] =>
    lines
      .filter((line) => key.test(line))
      .map((line) =>
        line
          .slice(line.indexOf('=') + 1)
          .trim()
          .toLowerCase(),
      );
  if (value(/^parentCID\s*=/i).some((cid) => cid !== 'ffffffff')) return 'the VMDK has a parent image';
  const kinds = value(/^createType\s*=/i).map((kind) => kind.replaceAll('"', ''));
  if (kinds.length !== 1 || !KINDS.includes(kinds[0] ?? ''))
    return `a VMDK of type ${/^[a-z0-9]{1,40}$/.test(kinds[0] ?? '') ? kinds[0] : 'unknown'} is not supported`;
  const extents = lines.filter((line) => /^(?:RW|RDONLY|NOACCESS)\b/i.test(line));
  const [extent = ''] = extents;
  if (extents.length !== 1 || !/^RW\s+\d+\s+SPARSE\s+"[^"/\\]*"(?:\s+0)?$/i.test(extent))
    return 'the VMDK keeps its data in other files';
  return false;
}
