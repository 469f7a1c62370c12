/** Lists, filters and sums at a size that many installations never reach: index-only or not shows here. */
import { type Kysely, sql } from 'kysely';
import type { Tables } from '#schema/tables.ts';
import type { Bench } from '../bench.ts';
import { cpuOf } from '../processes.ts';
import { median } from '../statistics.ts';
import type { Row } from '../table.ts';
import { fill } from './fill.ts';

interface Request {
  readonly what: string;
  readonly path: string;
}

export async function scaleSuite(
  bench: Bench,
  db: Kysely<Tables>,
  size: { readonly volumes: number; readonly projects: number },
): Promise<Row[]> {
  await fill(db, { ...size, largest: bench.stack.project });
  const requests = await requestsOf(db, bench.stack.project);
  const times = requests.map((): number[] => []);
  const cpu = requests.map((): number[] => []);
  const read = requests.map(() => 0);
  for (let round = 0; round < bench.rounds + 1; round++) {
    for (const [index, { path }] of requests.entries()) {
      const rows = await rowsRead(db);
      const before = cpuOf({ ...bench.ours, ...bench.servers });
      const began = performance.now();
      for (let again = 0; again < REPEATS; again++) {
        await bench.client.expect(200, 'GET', `${bench.base}${path}`);
      }
      if (round === 0) continue;
      const after = cpuOf({ ...bench.ours, ...bench.servers });
      times[index]?.push((performance.now() - began) / REPEATS);
      const used = Object.keys(after).reduce(
        (sum, name) => sum + (after[name] ?? 0) - (before[name] ?? 0),
        0,
      );
      cpu[index]?.push(used / REPEATS);
      read[index] = ((await rowsRead(db)) - rows) / REPEATS;
    }
  }
  return requests.map(({ what }, index) => ({
    what,
    'median ms': median(times[index] ?? []),
    'CPU ms': median(cpu[index] ?? []),
    'rows read': read[index] ?? 0,
  }));
}

const REPEATS = 5;

/** Of all tables and indexes, by whomever: the services' own heartbeats are among them. */
async function rowsRead(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ Value: string }>`SHOW GLOBAL STATUS LIKE 'Handler_read%'`.execute(db);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

/** The ids at these shares of the list, newest first. */
async function markers(db: Kysely<Tables>, table: 'volumes' | 'snapshots' | 'operations', project?: string) {
  const where = project === undefined ? sql`` : sql`WHERE project_id = ${project}`;
  const { rows: counted } = await sql<{
    n: number;
  }>`SELECT COUNT(*) AS n FROM ${sql.table(table)} ${where}`.execute(db);
  const total = counted[0]?.n ?? 0;
  const at = async (share: number): Promise<string> => {
    const { rows } = await sql<{ id: string }>`SELECT id FROM ${sql.table(table)} ${where}
      ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ${Math.floor((total - 1_001) * share)}`.execute(db);
    return rows[0]?.id ?? '';
  };
  return { middle: await at(0.5), last: await at(1) };
}

async function requestsOf(db: Kysely<Tables>, project: string): Promise<Request[]> {
  const own = await markers(db, 'volumes', project);
  const all = await markers(db, 'volumes');
  const snapshots = await markers(db, 'snapshots');
  const operations = await markers(db, 'operations');
  const row = await db
    .selectFrom('volumes')
    .selectAll()
    .where('id', '=', own.middle as never)
    .executeTakeFirstOrThrow();
  const paged = (
    what: string,
    path: string,
    { middle, last }: { middle: string; last: string },
  ): Request[] => [
    { what: `${what}: first`, path },
    { what: `${what}: middle`, path: `${path}&marker=${middle}` },
    { what: `${what}: last`, path: `${path}&marker=${last}` },
  ];
  const detail = '/volumes/detail?limit=1000';
  const everybody = `${detail}&all_tenants=1`;
  const one = (what: string, path: string): Request => ({ what, path });
  return [
    ...paged('detail, own', detail, own),
    ...paged('detail, all', everybody, all),
    ...['name:asc', 'size:desc', 'status:asc', 'updated_at:desc', 'project_id:asc'].flatMap((sort) =>
      paged(`detail, all, ${sort}`, `${everybody}&sort=${sort}`, all),
    ),
    ...paged('detail, own, name:asc', `${detail}&sort=name:asc`, own),
    ...paged('snapshots, all', '/snapshots/detail?limit=1000&all_tenants=1', snapshots),
    ...paged('operations, all', '/operations?limit=1000&all_tenants=1', operations),
    one('show', `/volumes/${row.id}`),
    one('name=, own', `/volumes/detail?name=${row.name}`),
    one('name=, all', `/volumes/detail?all_tenants=1&name=${row.name}`),
    one('status=error, own', '/volumes/detail?status=error'),
    one('status=error, all', '/volumes/detail?all_tenants=1&status=error'),
    one('name~, own', '/volumes/detail?name~=9999'),
    one('name~, all', '/volumes/detail?all_tenants=1&name~=9999'),
    one('host=, all', '/volumes/detail?all_tenants=1&host=stor7@lvm'),
    one('type=, all', `/volumes/detail?all_tenants=1&limit=1000&volume_type_id=${row.volume_type_id}`),
    one('project=, all', '/volumes/detail?all_tenants=1&limit=1000&project_id=project-77'),
    one('metadata=, own', "/volumes/detail?limit=1000&metadata={'tier':'t3'}"),
    one('with_count, own', '/volumes?limit=10&with_count=1'),
    one('with_count, all', '/volumes?limit=10&with_count=1&all_tenants=1'),
    one('summary, own', '/volumes/summary'),
    one('summary, all', '/volumes/summary?all_tenants=1'),
    one('limits', '/limits'),
    one('quota usage', `/os-quota-sets/${project}?usage=true`),
  ];
}
