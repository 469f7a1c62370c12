/** What a thousand storage back ends cost that do nothing but say every ten seconds that they are there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { reportChannel, reportKey } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { DOWN_AFTER_S, REPORT_EVERY_S, type StorageReport } from '#schema/reports.ts';
import type { Bench } from '../bench.ts';
import { cpuOf } from '../processes.ts';
import type { Row } from '../table.ts';

const HOSTS = 1_000;
/** All hosts twice, and a little. */
const SECONDS = REPORT_EVERY_S * 2 + 5;

export async function heartbeatSuite(bench: Bench): Promise<Row[]> {
  const processes = { ...bench.ours, ...bench.servers };
  const idle = await during(processes, () => sleep(SECONDS * 1_000));
  const prefix = bench.stack.env['BLOCKYARD_QUEUE_PREFIX'] ?? 'blockyard';
  const redis = openRedis(bench.stack.env['REDIS_URL'] ?? '');
  try {
    // Until all are known: their first reports make rows.
    await beat(redis, prefix, REPORT_EVERY_S);
    const loaded = await during(processes, () => beat(redis, prefix, SECONDS));
    return Object.keys(processes).map((process) => {
      const [before = 0, with1000 = 0] = [idle[process], loaded[process]];
      return { process, 'idle % of a core': before, 'with 1,000': with1000, difference: with1000 - before };
    });
  } finally {
    redis.disconnect();
  }
}

/** Per cent of a core, by process. */
async function during(
  processes: Bench['ours'],
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const before = cpuOf(processes);
  const began = performance.now();
  await work();
  const after = cpuOf(processes);
  const ms = performance.now() - began;
  return Object.fromEntries(
    Object.keys(after).map((name) => [name, (((after[name] ?? 0) - (before[name] ?? 0)) / ms) * 100]),
  );
}

/** Evenly over time, each host once in ten seconds, in an agent's words to Redis; free space changes a little each time. */
async function beat(redis: ReturnType<typeof openRedis>, prefix: string, seconds: number): Promise<void> {
  const perTurn = HOSTS / (REPORT_EVERY_S * 10);
  const began = performance.now();
  for (let turn = 0; turn < seconds * 10; turn++) {
    for (let offset = 0; offset < perTurn; offset++) {
      const index = (turn * perTurn + offset) % HOSTS;
      const host = asId<HostName>(`heart${index}`);
      const text = JSON.stringify(reportOf(host, turn));
      void redis
        .pipeline()
        .set(reportKey(prefix, 'storage', host), text, 'EX', DOWN_AFTER_S)
        .publish(reportChannel(prefix, 'storage', host), text)
        .exec();
    }
    await sleep(Math.max(0, began + (turn + 1) * 100 - performance.now()));
  }
}

function reportOf(host: string, turn: number): StorageReport {
  return {
    kind: 'storage',
    host,
    bootId: `boot-of-${host}`,
    version: 'bench',
    availabilityZone: 'nova',
    pools: [
      {
        backend: 'lvm',
        backendName: 'lvm',
        totalGib: 10_000,
        freeGib: 9_000 - (turn % 100) / 10,
        reservedPercentage: 0,
        maxOverSubscriptionRatio: 20,
        thin: true,
        capabilities: {
          storage_protocol: 'iSCSI',
          vendor_name: 'Blockyard',
          driver: 'lvm-thin',
          thin_provisioning_support: true,
          thick_provisioning_support: false,
          discard: true,
        },
      },
    ],
  };
}
