import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { poolName } from '#schema/pools.ts';
import type { StorageReport } from '#schema/reports.ts';
import type { ServicesTable, Tables } from '#schema/tables.ts';
import { type Tx, transaction } from '../transaction.ts';
import { type Seen, upsertServices } from './service-rows.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  /**
   * A storage agent, or what it exports through, has started anew. Called at every report until its new boot id has been
   * written to MySQL: should this conductor die before the exports are back, another one begins again.
   */
  readonly exportsLost: (host: HostName, bootId: string) => void;
}

/** What the service row of a host that makes backups says beside. */
export interface BackupDetails {
  readonly store: string;
}

/** Between two batches: a thousand hosts that report every ten seconds are then written four times a second. */
const GAP_MS = 250;

interface Waiting {
  readonly report: StorageReport;
  readonly settled: PromiseWithResolvers<void>;
}

/** Writes storage hosts' reports into MySQL, those that come together at once. */
export class StorageReports {
  readonly #deps: Deps;
  #waiting: Waiting[] = [];
  #working = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Resolves when MySQL has it. One that comes alone is written at once. @throws Error when MySQL does not take it. */
  take(report: StorageReport): Promise<void> {
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ report, settled });
    if (!this.#working) void this.#work();
    return settled.promise;
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0) {
      await this.#write(this.#waiting.splice(0));
      await sleep(GAP_MS, undefined, { ref: false });
    }
    this.#working = false;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    try {
      // Of two of one host only the newer.
      await write(this.#deps, [...new Map(batch.map(({ report }) => [report.host, report])).values()]);
      for (const { settled } of batch) settled.resolve();
    } catch (error) {
      // One that MySQL won't have must not keep the others out.
      if (batch.length === 1) for (const { settled } of batch) settled.reject(error);
      else for (const one of batch) await this.#write([one]);
    }
  }
}

async function write(deps: Deps, reports: readonly StorageReport[]): Promise<void> {
  const now = sqlTime(deps.clock.now());
  const lost = await transaction(deps.db, async (tx) => {
    const boots = await bootIds(tx, reports);
    const rows = reports.flatMap((report) => seenOf(report, boots.get(report.host) ?? report.bootId));
    await upsertServices(tx, rows, now);
    return reports.filter(({ host, bootId }) => (boots.get(host) ?? bootId) !== bootId);
  });
  // By itself: a placement has its pool's row when it looks at the service's.
  await transaction(deps.db, async (tx) => writePools(tx, reports, now));
  for (const { host, bootId } of lost) deps.exportsLost(host as HostName, bootId);
}

/** What MySQL knows of each host's last start. */
async function bootIds(tx: Tx, reports: readonly StorageReport[]): Promise<ReadonlyMap<string, string>> {
  const rows = await tx.rows(
    tx.q
      .selectFrom('services')
      .select(['agent', 'boot_id'])
      .where('binary', '=', 'blockyard-storage')
      .where(
        'agent',
        'in',
        reports.map(({ host }) => host as HostName),
      ),
  );
  return new Map(rows.map((row) => [row.agent, row.boot_id]));
}

function seenOf(report: StorageReport, bootId: string): Seen[] {
  const common = {
    agent: report.host as HostName,
    availability_zone: report.availabilityZone,
    version: report.version,
  };
  const backends = [...new Set(report.pools.map(({ backend }) => backend))];
  const details: BackupDetails | undefined = report.backups;
  return [
    ...backends.map(
      (backend): Seen => ({
        ...common,
        binary: 'blockyard-storage',
        host: `${report.host}@${backend}`,
        boot_id: bootId,
        details: '{}',
      }),
    ),
    ...(details === undefined
      ? []
      : [
          {
            ...common,
            binary: 'blockyard-backup' as ServicesTable['binary'],
            host: report.host,
            boot_id: report.bootId,
            details: JSON.stringify(details),
          },
        ]),
  ];
}

const REPORTED = [
  'service_host',
  'availability_zone',
  'capabilities',
  'total_gib',
  'free_gib',
  'reserved_percentage',
  'max_over_subscription_ratio',
  'thin',
  'reported_at',
] as const;

function writePools(tx: Tx, reports: readonly StorageReport[], now: string): void {
  const rows = reports.flatMap((report) =>
    report.pools.map((pool) => ({
      name: poolName({ agent: asId(report.host), backend: pool.backend, backendName: pool.backendName }),
      service_host: `${report.host}@${pool.backend}`,
      agent: report.host as HostName,
      backend_name: pool.backendName,
      availability_zone: report.availabilityZone,
      capabilities: JSON.stringify(pool.capabilities),
      total_gib: pool.totalGib,
      free_gib: pool.freeGib,
      reserved_percentage: pool.reservedPercentage,
      max_over_subscription_ratio: pool.maxOverSubscriptionRatio,
      thin: pool.thin ? (1 as const) : (0 as const),
      reported_at: now,
    })),
  );
  if (rows.length === 0) return;
  tx.later(
    tx.q
      .insertInto('pools')
      // In one order in every conductor, so that none waits for another that waits for it.
      .values(rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
      .onDuplicateKeyUpdate((eb) =>
        Object.fromEntries(REPORTED.map((column) => [column, sql`VALUES(${eb.ref(column)})`])),
      ),
  );
}
