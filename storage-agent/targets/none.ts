import { volumeName } from '../names.ts';
import type { Target } from './target.ts';

/** For benchmarks only: answers as a target would, and exports nothing. */
export function createNoTarget(portals: readonly string[], iqnPrefix: string): Target {
  return {
    ensure: async (volumeId) => ({
      portals: [...portals],
      iqn: `${iqnPrefix}:${volumeName(volumeId)}`,
      lun: 1,
    }),
    absent: async () => {},
    grown: async () => {},
    find: async () => null,
    lingering: async () => null,
    list: async () => [],
    inventory: async () => null,
  };
}
