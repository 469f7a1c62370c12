import { readFileSync } from 'node:fs';

/** Linux counts CPU time in ticks of 1/100 s (sysconf(_SC_CLK_TCK)). */
const TICK_MS = 10;

/** CPU time that a process has used since it began, in milliseconds, user and system (proc(5), /proc/pid/stat). */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory that belongs to a process, shared pages by their share (PSS), in MiB. */
export function pssMib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
}

export type Processes = Readonly<Record<string, number>>;

/** CPU milliseconds by process name. */
export function cpuOf(processes: Processes): Record<string, number> {
  return Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, cpuMs(pid)]));
}

/** What each has used since `before`, per operation, in milliseconds. */
export function cpuPerOperation(
  processes: Processes,
  before: Readonly<Record<string, number>>,
  operations: number,
): Record<string, number> {
  const now = cpuOf(processes);
  return Object.fromEntries(
    Object.keys(processes).map((name) => [name, ((now[name] ?? 0) - (before[name] ?? 0)) / operations]),
  );
}
