import type { Bench } from '../bench.ts';
import { pssMib } from '../processes.ts';

/** PSS of each of our processes and their sum, in MiB. */
export function memory({ ours }: Bench): Record<string, number> {
  const each = Object.fromEntries(Object.entries(ours).map(([name, pid]) => [name, pssMib(pid)]));
  return { ...each, total: Object.values(each).reduce((sum, mib) => sum + mib, 0) };
}
