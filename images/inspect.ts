import type { DiskFormat } from '#schema/tasks.ts';
import { foreignFormat } from './formats/foreign.ts';
import type { Inspection } from './formats/inspection.ts';
import { inspectQcow2 } from './formats/qcow2.ts';
import { inspectVhdx } from './formats/vhdx.ts';
import { inspectVmdk } from './formats/vmdk.ts';

export type { Inspection } from './formats/inspection.ts';

/**
 * How much of the beginning `inspectImage` wants. All but VHDX need a few KiB: its metadata lie at 2 MiB when Microsoft's tools made it, and
 * behind the block table when QEMU did, which is 3 MiB for disks below a TiB.
 */
export const HEAD_BYTES = 4 * 1024 ** 2;

/** What stands at the start of each format; qcow2's magic belongs to qcow version 1 too. */
const READERS: readonly (readonly [string, (head: Buffer) => Inspection])[] = [
  ['QFI\xfb', inspectQcow2],
  ['KDMV', inspectVmdk],
  ['vhdxfile', inspectVhdx],
];

/**
 * What image data is, by its beginning alone; neither a name nor a declared format is believed. Reads only the header, like
 * QEMU does, but follows nothing that it names. Data without any known beginning is raw.
 * @param head the first HEAD_BYTES of the data, or all of it when there is less.
 */
export function inspectImage(head: Buffer): Inspection {
  if (head.length === 0) return { format: null, virtualSizeBytes: null, problem: 'the image is empty' };
  const known = READERS.find(([magic]) => head.toString('latin1', 0, magic.length) === magic);
  if (known !== undefined) return known[1](head);
  const foreign = foreignFormat(head);
  if (foreign !== null) {
    return {
      format: null,
      virtualSizeBytes: null,
      problem: `the image is ${foreign}: that is not supported`,
    };
  }
  return { format: 'raw', virtualSizeBytes: null, problem: null };
}

/** LUKS, version 1 (LUKS On-Disk Format Specification 1.2.3): how encrypted volumes begin. */
const LUKS = 'LUKS\xba\xbe\x00\x01';

/**
 * Why these data must not be used as an image of this format; null when they may.
 * @param head as for `inspectImage`
 * @param encrypted they should be an encrypted volume's, of which nothing but the beginning can be known.
 */
export function imageProblem(head: Buffer, declared: DiskFormat, encrypted = false): string | null {
  if (encrypted) {
    const isLuks = head.toString('latin1', 0, LUKS.length) === LUKS;
    return isLuks && declared === 'raw' ? null : 'the image should be an encrypted volume and is not';
  }
  const { format, problem } = inspectImage(head);
  if (problem !== null) return problem;
  return format === declared ? null : `the image was declared as ${declared} but is ${format}`;
}
