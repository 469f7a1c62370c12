import type { Connection } from '#schema/tasks.ts';
import type { ClearAcl, Device, Target } from '#storage-agent/targets/target.ts';

/** A target that gives each volume its number by itself. */
export interface NumberedTarget extends Omit<Target, 'ensure' | 'absent'> {
  ensure(volumeId: string, device: Device, acls: readonly ClearAcl[]): Promise<Connection>;
  absent(volumeId: string): Promise<void>;
}

const numbers = new Map<string, number>();

/** The number that a volume has in this run of the tests. */
export function numberOf(volumeId: string): number {
  const number = numbers.get(volumeId) ?? numbers.size + 1;
  numbers.set(volumeId, number);
  return number;
}

/** Wraps a target. */
export function numbered(target: Target): NumberedTarget {
  return {
    ...target,
    ensure: (volumeId, device, acls) => target.ensure(volumeId, device, acls, numberOf(volumeId)),
    absent: (volumeId) => target.absent(volumeId, numberOf(volumeId)),
  };
}
