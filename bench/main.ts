/**
 * `npm run bench`: the control plane alone, with a back end and a hypervisor that answer at once, then the real path
 * for the number of programs started. Every figure is a median over rounds that interleave, so that what else the
 * machine does falls on all alike.
 */
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { openDatabase } from '#queues/database.ts';
import { startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';
import type { Bench } from './bench.ts';
import { Client } from './client.ts';
import { heartbeatSuite } from './scale/heartbeats.ts';
import { scaleSuite } from './scale/suite.ts';
import { attachSuite } from './suites/attach.ts';
import { createDeleteSuite } from './suites/create-delete.ts';
import { memory } from './suites/memory.ts';
import { readSuite } from './suites/read.ts';
import { spawns } from './suites/spawns.ts';
import { printTable } from './table.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    /** Seconds of each reading measurement. */
    seconds: { type: 'string', default: '3' },
    volumes: { type: 'string' },
    only: { type: 'string' },
    /** A list of its own: reading where there are many volumes. */
    scale: { type: 'boolean', default: false },
    projects: { type: 'string', default: '1000' },
  },
});

const runDir = `.data/bench-${process.pid}`;
const SERVERS = 64;

async function main(): Promise<void> {
  await using stack = await startStack({
    runDir,
    fresh: true,
    target: 'none',
    hypervisor: 'noop',
    env: {
      BLOCKYARD_BACKENDS: 'noop:name=noop,total_gib=1000000',
      BLOCKYARD_ISCSI_PORTAL: '127.0.0.1:3260',
      BLOCKYARD_NOOP_SERVERS: String(SERVERS),
    },
    log: (name, line) => console.error(`${name}: ${line}`),
    ready: servicesUp,
  });
  const client = new Client(stack.apiUrl, stack.adminToken);
  const pids = (name: string): number => stack.processes.get(name)?.pid ?? 0;
  const bench: Bench = {
    stack,
    client,
    base: `/v3/${stack.project}`,
    rounds: Number(options.rounds),
    seconds: Number(options.seconds),
    volumes: Number(options.volumes ?? 1_000),
    ours: {
      api: pids('api'),
      conductor: pids('conductor'),
      storage: pids('storage'),
      compute: pids('compute'),
    },
    servers: {
      ...(stack.servers.mariadb === undefined ? {} : { mariadb: stack.servers.mariadb.pid }),
      ...(stack.servers.redis === undefined ? {} : { redis: stack.servers.redis.pid }),
    },
  };
  if (options.scale) {
    const size = { volumes: Number(options.volumes ?? 100_000), projects: Number(options.projects) };
    await using db = openDatabase(stack.env['DATABASE_URL'] ?? '');
    printTable(`${size.volumes} volumes in ${size.projects} projects`, await scaleSuite(bench, db, size));
    client.close();
    return;
  }
  if (options.only === 'heartbeats') {
    printTable('Heartbeats of 1,000 storage back ends', await heartbeatSuite(bench));
    client.close();
    return;
  }
  const wanted = (name: string): boolean =>
    options.only === undefined || options.only.split(',').includes(name);
  const idle = memory(bench);
  if (wanted('flows'))
    printTable('Create → available, delete → gone (noop back end)', await createDeleteSuite(bench));
  if (wanted('attach'))
    printTable('Attach → in-use, detach → available (noop hypervisor)', await attachSuite(bench));
  if (wanted('read')) printTable(`Reading, ${bench.volumes} volumes`, await readSuite(bench));
  printTable('Memory (PSS, MiB)', [
    { what: 'idle', ...idle },
    { what: 'after load', ...memory(bench) },
  ]);
  client.close();
}

try {
  await main();
  if (!options.scale && (options.only === undefined || options.only.includes('spawns'))) {
    printTable('Programs started per operation on the real path (file, tgt, libvirt)', await spawns());
  }
} finally {
  await rm(runDir, { recursive: true, force: true });
}
