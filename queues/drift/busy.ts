import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Rows } from './rows.ts';

/** Volumes that an operation is at work on, or will be: what differs there is no drift yet. */
export function busyVolumes({
  volumes,
  operations,
}: Pick<Rows, 'volumes' | 'operations'>): ReadonlySet<string> {
  const open = [...operations.values()].filter(({ state }) => isOpen(state));
  const busy = new Set(open.map(({ volume_id }) => volume_id as string));
  // A mark whose operation is not there is a difference of its own.
  for (const { id, operation_id } of volumes.values())
    if (operation_id !== null && isOpen(operations.get(operation_id)?.state)) busy.add(id);
  return busy;
}

export function isOpen(state: string | undefined): boolean {
  return (OPEN_OPERATION_STATES as readonly (string | undefined)[]).includes(state);
}
