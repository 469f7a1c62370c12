import { secondNature } from './foreign.ts';
import { found, type Inspection } from './inspection.ts';

/** Microsoft's VHDX format specification ([MS-VHDX]). */
const KIB = 1024;
const REGION_TABLES = [192 * KIB, 256 * KIB];
const HEADER_SECTION = 64 * KIB;
const METADATA_REGION = guid('8b7ca206-4790-4b9a-b8fe-575f050f886e');
const FILE_PARAMETERS = guid('caa16737-fa36-4d43-b3b6-33f0aa44e76b');
const DISK_SIZE = guid('2fa54224-cd1b-4876-b211-5dbed83bf4b8');
const PARENT_LOCATOR = guid('a8d35f2d-b30b-454d-abf7-d3d84834ab0c');
const HAS_PARENT = 0b10;
const ENTRY = 32;
const MOST_ENTRIES = 2047;

export function inspectVhdx(head: Buffer): Inspection {
  // Both copies of the region table count: which one a reader takes is its own affair.
  const regions = REGION_TABLES.flatMap((at) => metadataRegions(head, at));
  if (regions.length === 0) return found('vhdx', null, []);
  const metadata = [...new Set(regions)].map((at) => readMetadata(head, at));
  const [first] = metadata;
  if (first === undefined || first === null || metadata.includes(null))
    return found('vhdx', null, ['the VHDX’s metadata is damaged, or lies where it is not looked for']);
  return found('vhdx', first.size, [
    metadata.some((each) => each?.hasParent === true) && 'the VHDX has a parent image',
    metadata.some((each) => each?.size !== first.size) && 'the VHDX’s header is damaged',
    secondNature(head, HEADER_SECTION),
  ]);
}

/** The places of metadata regions in one copy of the region table. */
function metadataRegions(head: Buffer, at: number): number[] {
  if (head.toString('latin1', at, at + 4) !== 'regi') return [];
  return entries(head, at + 16, head.readUInt32LE(at + 8))
    .filter((entry) => entry.subarray(0, 16).equals(METADATA_REGION))
    .map((entry) => Number(entry.readBigUInt64LE(16)));
}

interface Metadata {
  readonly size: bigint;
  readonly hasParent: boolean;
}

/** Null when it is not all there. */
function readMetadata(head: Buffer, region: number): Metadata | null {
  if (head.toString('latin1', region, region + 8) !== 'metadata' || region + 32 > head.length) return null;
  const all = entries(head, region + 32, head.readUInt16LE(region + 10));
  const items = (id: Buffer): (Buffer | null)[] =>
    all
      .filter((entry) => entry.subarray(0, 16).equals(id))
      .map((entry) => {
        const at = region + entry.readUInt32LE(16);
        return at + 8 <= head.length ? head.subarray(at, at + 8) : null;
      });
  const [size, ...sizes] = items(DISK_SIZE);
  const [parameters, ...more] = items(FILE_PARAMETERS);
  if (size == null || parameters == null || sizes.length > 0 || more.length > 0) return null;
  const hasParent = items(PARENT_LOCATOR).length > 0 || (parameters.readUInt32LE(4) & HAS_PARENT) !== 0;
  return { size: size.readBigUInt64LE(0), hasParent };
}

/** The whole table entries that the head holds; a count beyond what the format allows gives none. */
function entries(head: Buffer, from: number, count: number): Buffer[] {
  if (count > MOST_ENTRIES || from + count * ENTRY > head.length) return [];
  return Array.from({ length: count }, (_, index) =>
    head.subarray(from + index * ENTRY, from + (index + 1) * ENTRY),
  );
}

/** A GUID as it lies in the file: its first three parts little-endian. */
function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
