import type { StoredItem } from '#schema/inventory.ts';
import { TaskError } from '#schema/tasks.ts';
import { GIB } from './backend.ts';

/**
 * What may become a volume of this size: nobody has it open, and it is at most a part of a GiB smaller.
 * @throws TaskError `not-found`; `refused` with the reason
 */
export function assertFit(name: string, item: StoredItem | undefined, sizeBytes: number): void {
  if (item === undefined) throw new TaskError('not-found', `there is nothing named ${name} on this backend`);
  if (item.unfit !== null) throw new TaskError('refused', `${name}: ${item.unfit}`);
  if (item.open === true) throw new TaskError('refused', `${name} is in use`);
  if (item.sizeBytes > sizeBytes || item.sizeBytes <= sizeBytes - GIB)
    throw new TaskError('refused', `${name} has ${item.sizeBytes} bytes: it has changed its size`);
}
