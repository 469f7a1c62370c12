import { IOTUNE_KEYS, type Iotune } from '#schema/iotune.ts';
import type { TaskInput } from '#schema/tasks.ts';

/** A task's limits as libvirt keeps them: zero is no limit, and a group of disks without limits is none. */
export function limitsOf(iotune: TaskInput<'disk.tune'>['iotune']): Iotune {
  const limits: Iotune = {};
  for (const key of IOTUNE_KEYS) if (iotune[key]) limits[key] = iotune[key];
  if (iotune.group_name !== undefined && Object.keys(limits).length > 0)
    limits.group_name = iotune.group_name;
  return limits;
}
