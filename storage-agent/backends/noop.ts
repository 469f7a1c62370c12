import { TaskError } from '#schema/tasks.ts';
import { volumeName } from '../names.ts';
import type { Backend } from './backend.ts';

/**
 * For benchmarks only: agrees to everything but reading, keeps nothing, and claims that every volume exists. What remains is the
 * cost of the control plane.
 */
export function createNoopBackend(totalGib: number): Backend {
  return {
    thin: true,
    discard: false,
    keepsNothing: true,
    ensure: async (_volumeId, sizeBytes) => sizeBytes,
    grow: async (_volumeId, sizeBytes) => sizeBytes,
    absent: async () => {},
    snapshot: async () => {},
    snapshotAbsent: async () => {},
    read: noData,
    readSnapshot: noData,
    activate: async () => true,
    devicePath: (volumeId) => `noop:${volumeName(volumeId)}`,
    capacity: async () => ({ totalGib, freeGib: totalGib }),
    items: async () => null,
    remove: async () => {},
    adopt: async (_volumeId, _name, sizeBytes) => sizeBytes,
    release: async () => {},
    rewrite: async () => {},
    stage: async () => {},
    unstage: async () => {},
    replace: async () => {},
    adoptSnapshot: async () => {},
    releaseSnapshot: async () => {},
  };
}

async function noData(): Promise<never> {
  throw new TaskError('invalid', 'a noop backend keeps no data');
}
