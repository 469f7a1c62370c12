import { secondNature } from './foreign.ts';
import { found, type Inspection } from './inspection.ts';

/** QEMU docs/interop/qcow2.txt. */
const V2_HEADER = 72;
const V3_HEADER = 104;
const BACKING_FORMAT = 0xe2792aca;
const DATA_FILE_NAME = 0x44415441;
const ENCRYPTION = 0x0537be77;

/** Incompatible features: dirty, compression type, extended L2 entries. */
const HARMLESS = 0b11001n;
const CORRUPT = 0b00010n;
const EXTERNAL_DATA = 0b00100n;

const MOST_EXTENSIONS = 64;

export function inspectQcow2(head: Buffer): Inspection {
  const damaged = found('qcow2', null, []);
  if (head.length < V2_HEADER) return damaged;
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) {
    return {
      format: null,
      virtualSizeBytes: null,
      problem: `a qcow image of version ${version} is not supported`,
    };
  }
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21 || (version === 3 && head.length < V3_HEADER)) return damaged;
  const clusterBytes = 2 ** clusterBits;
  const headerBytes = version === 2 ? V2_HEADER : head.readUInt32BE(100);
  if (headerBytes < (version === 2 ? V2_HEADER : V3_HEADER) || headerBytes > clusterBytes) return damaged;
  const features = version === 2 ? 0n : head.readBigUInt64BE(72);
  const extensions = readExtensions(head, headerBytes, clusterBytes);
  return found('qcow2', head.readBigUInt64BE(24), [
    (head.readBigUInt64BE(8) !== 0n ||
      head.readUInt32BE(16) !== 0 ||
      extensions?.has(BACKING_FORMAT) === true) &&
      'the qcow2 image has a backing file',
    ((features & EXTERNAL_DATA) !== 0n || extensions?.has(DATA_FILE_NAME) === true) &&
      'the qcow2 image keeps its data in another file',
    (head.readUInt32BE(32) !== 0 || extensions?.has(ENCRYPTION) === true) && 'the qcow2 image is encrypted',
    (features & CORRUPT) !== 0n && 'the qcow2 image is marked as corrupt',
    (features & ~(HARMLESS | CORRUPT | EXTERNAL_DATA)) !== 0n &&
      'the qcow2 image needs features that are not known here',
    head.readUInt32BE(60) !== 0 && 'the qcow2 image holds snapshots, which would be lost',
    secondNature(head, clusterBytes),
    extensions === null && 'the qcow2 image’s header is damaged',
  ]);
}

/** The types of the header extensions; null when the list does not end where it must, within the first cluster. */
function readExtensions(head: Buffer, from: number, clusterBytes: number): Set<number> | null {
  const types = new Set<number>();
  let at = from;
  for (let count = 0; count < MOST_EXTENSIONS; count += 1) {
    // An image may end its list by filling the cluster.
    if (at === clusterBytes) return types;
    if (at + 8 > Math.min(head.length, clusterBytes)) return null;
    const type = head.readUInt32BE(at);
    if (type === 0) return types;
    types.add(type);
    at += 8 + Math.ceil(head.readUInt32BE(at + 4) / 8) * 8;
  }
  return null;
}
