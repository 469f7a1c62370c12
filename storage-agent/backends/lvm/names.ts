import { TaskError } from '#schema/tasks.ts';
import { nameOf } from '../../names.ts';

/** LVM keeps names that begin with `snapshot` to itself; Cinder has the same way round that. */
export function snapshotName(snapshotId: string): string {
  return `_${nameOf('snapshot', snapshotId)}`;
}

export function missing(): TaskError {
  return new TaskError('not-found', 'the volume or snapshot does not exist on this backend');
}
