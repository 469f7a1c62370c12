import type { Bench } from '../bench.ts';
import type { Round } from '../load.ts';
import { cpuOf, cpuPerOperation } from '../processes.ts';
import { median, percentile } from '../statistics.ts';
import type { Row } from '../table.ts';

/** One measurement: its rounds, and the CPU that each round cost. */
export interface Measured {
  readonly rounds: Round[];
  readonly cpu: Record<string, number>[];
}

export const nothing = (): Measured => ({ rounds: [], cpu: [] });

/** Runs one round of a measurement and adds it. */
export async function measure(
  bench: Bench,
  into: Measured,
  count: number,
  round: () => Promise<Round>,
): Promise<void> {
  const processes = { ...bench.ours, ...bench.servers };
  const before = cpuOf(processes);
  into.rounds.push(await round());
  into.cpu.push(cpuPerOperation(processes, before, count));
}

/** Medians over the rounds. CPU is that of all services: ours, the database and Redis; not the client's. */
export function summary(what: string, concurrency: number, { rounds, cpu }: Measured): Row {
  const over = (of: (round: Round) => number): number => median(rounds.map(of));
  const cpuOver = (of: (names: Record<string, number>) => number): number => median(cpu.map(of));
  const names = Object.keys(cpu[0] ?? {});
  return {
    what,
    clients: String(concurrency),
    'median ms': over(({ latencies }) => median(latencies)),
    'p99 ms': over(({ latencies }) => percentile(latencies, 0.99)),
    'max ms': Math.max(...rounds.flatMap(({ latencies }) => latencies)),
    'per s': over(({ perSecond }) => perSecond),
    'CPU ms/op': cpuOver((each) => Object.values(each).reduce((sum, ms) => sum + ms, 0)),
    ...Object.fromEntries(names.map((name) => [name, cpuOver((each) => each[name] ?? 0)])),
  };
}
