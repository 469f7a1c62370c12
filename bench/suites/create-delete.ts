import type { Bench } from '../bench.ts';
import { load } from '../load.ts';
import type { Row } from '../table.ts';
import { measure, nothing, summary } from './summary.ts';
import { createVolume, untilGone, untilStatus } from './volumes.ts';

/** One client at a time, then sixteen; enough operations for CPU time, which Linux counts in ticks of 10 ms. */
const LOADS = [
  { clients: 1, count: 200 },
  { clients: 16, count: 1_000 },
] as const;

/** As a client sees it: from sending the request until a GET says `available`, or 404. */
export async function createDeleteSuite(bench: Bench): Promise<Row[]> {
  const results = LOADS.map(() => ({ create: nothing(), delete: nothing() }));
  for (let round = 0; round < bench.rounds + 1; round++) {
    for (const [index, { clients, count }] of LOADS.entries()) {
      const ids: string[] = [];
      // The first round warms the processes up and is not counted.
      const into = round === 0 ? { create: nothing(), delete: nothing() } : results[index];
      if (into === undefined) continue;
      await measure(bench, into.create, count, () =>
        load(clients, count, async () => {
          const id = await createVolume(bench);
          await untilStatus(bench, id, 'available', clients);
          ids.push(id);
        }),
      );
      await measure(bench, into.delete, count, () =>
        load(clients, count, async (which) => {
          const id = ids[which] ?? '';
          await bench.client.expect(202, 'DELETE', `${bench.base}/volumes/${id}`);
          await untilGone(bench, id, clients);
        }),
      );
    }
  }
  return LOADS.flatMap(({ clients }, index) => {
    const result = results[index];
    return result === undefined
      ? []
      : [
          summary('create → available', clients, result.create),
          summary('delete → gone', clients, result.delete),
        ];
  });
}
