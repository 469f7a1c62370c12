import { type ImageSource, TaskError } from '#schema/tasks.ts';
import type { DiskInfo } from './qemu-img.ts';

/**
 * Checks what QEMU itself sees in a fetched image against what our own inspection found: what either of them finds is enough.
 * @throws TaskError `invalid`
 */
export function examine(info: DiskInfo, path: string, inspectedBytes: number, image: ImageSource): void {
  const specific = info['format-specific']?.data;
  const problem = [
    (info['backing-filename'] ?? info['full-backing-filename']) !== undefined && 'has a backing file',
    specific?.['data-file'] !== undefined && 'keeps its data in another file',
    specific?.extents?.some(({ filename }) => filename !== path) === true && 'keeps its data in other files',
    (specific?.extents?.length ?? 1) !== 1 && 'keeps its data in other files',
    info.encrypted === true && 'is encrypted',
    (info.snapshots?.length ?? 0) > 0 && 'holds snapshots, which would be lost',
    info['virtual-size'] !== inspectedBytes && 'shows a different size to different readers',
  ].find((each) => each !== false);
  if (problem !== undefined) throw new TaskError('invalid', `the ${image.diskFormat} image ${problem}`);
}
