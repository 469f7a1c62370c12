import { systemRunner } from '#agent/run.ts';
import type { Bench } from '../bench.ts';
import { load, type Round } from '../load.ts';
import { cpuOf, cpuPerOperation } from '../processes.ts';
import type { Row } from '../table.ts';
import { type Measured, nothing, summary } from './summary.ts';
import { createVolume, untilStatus } from './volumes.ts';

const CLIENTS = [1, 8, 32] as const;

/** Rates of GET, measured by wrk: a client in C leaves the two cores to what is measured. */
export async function readSuite(bench: Bench): Promise<Row[]> {
  const ids: string[] = [];
  await load(16, bench.volumes, async () => {
    const id = await createVolume(bench);
    await untilStatus(bench, id, 'available', 16);
    ids.push(id);
  });
  const requests = [
    { what: 'GET one volume', path: `${bench.base}/volumes/${ids[Math.floor(ids.length / 2)]}` },
    { what: 'detail?limit=100', path: `${bench.base}/volumes/detail?limit=100` },
  ];
  const cells = requests.flatMap((request) =>
    CLIENTS.map((clients) => ({ ...request, clients, into: nothing() })),
  );
  for (let round = 0; round < bench.rounds + 1; round++) {
    for (const cell of cells) await wrk(bench, cell.path, cell.clients, round === 0 ? nothing() : cell.into);
  }
  return cells.map(({ what, clients, into }) => summary(what, clients, into));
}

async function wrk(bench: Bench, path: string, clients: number, into: Measured): Promise<void> {
  const processes = { ...bench.ours, ...bench.servers };
  const before = cpuOf(processes);
  const { stdout } = await systemRunner.run(
    'wrk',
    [
      '-t1',
      `-c${clients}`,
      `-d${bench.seconds}s`,
      '--latency',
      '-s',
      'bench/wrk.lua',
      `${bench.stack.apiUrl}${path}`,
    ],
    { env: { BENCH_TOKEN: bench.stack.adminToken } },
  );
  const round = parse(stdout);
  into.rounds.push(round);
  into.cpu.push(cpuPerOperation(processes, before, round.requests));
}

/** The one line that bench/wrk.lua prints at the end. */
function parse(output: string): Round & { requests: number } {
  const match = /^RESULT requests=(\d+) seconds=([\d.]+) median=([\d.]+) p99=([\d.]+) bad=(\d+)$/m.exec(
    output,
  );
  if (match === null) throw new Error(`wrk printed no result: ${output}`);
  const [requests = 0, seconds = 0, median = 0, p99 = 0, bad = 0] = match.slice(1).map(Number);
  if (bad > 0) throw new Error(`${bad} of ${requests} requests failed`);
  return {
    requests,
    perSecond: requests / seconds,
    latencies: [...Array<number>(98).fill(median), p99, p99],
  };
}
