import { TaskError } from '#schema/tasks.ts';

/** Node's error code (`ENOENT`, …) of an error, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Runs `work`; a system error that another try cannot mend becomes a TaskError which says so. */
export async function withReason<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = REASONS[errnoOf(error) ?? ''];
    if (reason === undefined) throw error;
    throw new TaskError(reason[0], reason[1]);
  }
}

const REASONS: Readonly<Record<string, readonly ['refused' | 'not-found', string]>> = {
  ENOENT: ['not-found', 'the volume does not exist on this backend'],
  ELOOP: ['refused', 'a symbolic link stands in the volume’s place'],
  EISDIR: ['refused', 'something that is not a file stands in the volume’s place'],
  ENXIO: ['refused', 'something that is not a file stands in the volume’s place'],
  ENOSPC: ['refused', 'no space left on this backend'],
  EDQUOT: ['refused', 'no space left on this backend'],
  EFBIG: ['refused', 'the size is more than this backend’s file system can hold'],
  EROFS: ['refused', 'this backend’s file system is read-only'],
};
