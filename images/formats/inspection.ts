import type { DiskFormat } from '#schema/tasks.ts';

/** What the beginning of image data says about it. */
export interface Inspection {
  /** Null for a format that is not supported. */
  readonly format: DiskFormat | null;
  /** The size of the disk inside; null for raw data, whose size is that of the data. */
  readonly virtualSizeBytes: number | null;
  /** Why it must not be used, in words for the user; null when nothing speaks against it. */
  readonly problem: string | null;
}

/** Larger than any volume; beyond it numbers would lose digits. */
const LARGEST = 2n ** 50n;

/** The inspection of an image whose header gives this size; `problems` in order of importance, the first one is told. */
export function found(
  format: DiskFormat,
  size: bigint | null,
  problems: readonly (string | false)[],
): Inspection {
  const first = problems.find((each) => each !== false);
  if (first !== undefined || size === null)
    return { format, virtualSizeBytes: null, problem: first ?? `the ${format} image’s header is damaged` };
  if (size === 0n || size > LARGEST)
    return { format, virtualSizeBytes: null, problem: `the ${format} image claims an impossible size` };
  return { format, virtualSizeBytes: Number(size), problem: null };
}
