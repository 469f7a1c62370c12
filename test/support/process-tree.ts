import { readdirSync, readFileSync } from 'node:fs';

/** Pids of everything that a process has started, and of what names `marker` in its command line. */
export function processTree(root: number, marker: string): number[] {
  const parents = new Map<number, number>();
  const marked = new Set<number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
      if (readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(marker)) marked.add(Number(entry));
    } catch {
      // It has ended in between.
    }
  }
  const belongs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at))
      if (at === root || marked.has(at)) return true;
    return false;
  };
  return [...parents.keys()].filter((pid) => pid !== process.pid && belongs(pid));
}
