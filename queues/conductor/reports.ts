import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import { asId, type HostName } from '#schema/ids.ts';
import { poolName } from '#schema/pools.ts';
import { type AgentReport, agentReport, type ComputeReport, type StorageReport } from '#schema/reports.ts';
import type { Tables } from '#schema/tables.ts';
import { agentQueue, reportKeys } from '../names.ts';
import type { ComputeDetails } from '../placement/place-server.ts';
import type { ServerClaims } from './server-claims.ts';
import { takeServers } from './server-reports.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  /**
   * A storage agent, or what it exports through, has started anew. Called at every report until its new boot id has been
   * written to MySQL: should this conductor die before the exports are back, another one begins again.
   */
  readonly exportsLost: (host: HostName, bootId: string) => void;
  /** A hypervisor is there; called when MySQL knows. */
  readonly present: (host: HostName, bootId: string) => Promise<void>;
  readonly claims: ServerClaims;
  readonly log: (line: string) => void;
}

/** What the service row of a host that makes backups says beside. */
export interface BackupDetails {
  readonly store: string;
}

/** Characters. A host with ten thousand servers says less. */
const LONGEST = 8 * 1024 ** 2;

/**
 * Writes what an agent reports into MySQL.
 * @param agent whose place the report came from, `storage.<host>` or `compute.<host>`.
 * @throws Error when it isn't a report, or is in another agent's name.
 */
export async function takeReport(deps: Deps, text: string, agent: string): Promise<void> {
  if (text.length > LONGEST) throw new Error('it is too long');
  const report = agentReport.parse(JSON.parse(text));
  const speaksFor = agentQueue(report.kind, report.host as HostName);
  if (speaksFor !== agent) throw new Error(`it is in the name of ${speaksFor}`);
  if (report.kind === 'storage') await takeStorage(deps, report);
  else {
    await takeCompute(deps, report);
    await deps.present(report.host as HostName, report.bootId);
  }
}

/** The reports that agents left while no conductor listened. */
export async function newestReports(
  redis: Redis,
  prefix: string,
): Promise<{ readonly agent: string; readonly text: string }[]> {
  const start = reportKeys(prefix);
  const reports: { agent: string; text: string }[] = [];
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${start}*`, 'COUNT', 500);
    cursor = next;
    const texts = keys.length > 0 ? await redis.mget(keys) : [];
    for (const [index, text] of texts.entries()) {
      if (text !== null) reports.push({ agent: (keys[index] ?? '').slice(start.length), text });
    }
  } while (cursor !== '0');
  return reports;
}

async function takeStorage(deps: Deps, report: StorageReport): Promise<void> {
  const now = sqlTime(deps.clock.now());
  const backends = [...new Set(report.pools.map(({ backend }) => backend))];
  const hosts = backends.map((backend) => `${report.host}@${backend}`);
  const before = await deps.db
    .selectFrom('services')
    .select('boot_id')
    .where('binary', '=', 'blockyard-storage')
    .where('agent', '=', report.host as HostName)
    .executeTakeFirst();
  const bootId = before?.boot_id ?? report.bootId;
  for (const host of hosts)
    await upsertService(deps, { ...report, bootId }, 'blockyard-storage', host, '{}', now);
  if (report.backups !== undefined) {
    const details: BackupDetails = report.backups;
    await upsertService(deps, report, 'blockyard-backup', report.host, JSON.stringify(details), now);
  }
  if (report.pools.length > 0) {
    await deps.db
      .insertInto('pools')
      .values(
        report.pools.map((pool) => ({
          name: poolName({
            agent: asId(report.host),
            backend: pool.backend,
            backendName: pool.backendName,
          }),
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
      )
      .onDuplicateKeyUpdate((eb) =>
        Object.fromEntries(
          (
            [
              'service_host',
              'availability_zone',
              'capabilities',
              'total_gib',
              'free_gib',
              'reserved_percentage',
              'max_over_subscription_ratio',
              'thin',
              'reported_at',
            ] as const
          ).map((column) => [column, sql`VALUES(${eb.ref(column)})`]),
        ),
      )
      .execute();
  }
  if (bootId !== report.bootId) deps.exportsLost(report.host as HostName, report.bootId);
}

async function takeCompute(deps: Deps, report: ComputeReport): Promise<void> {
  const { initiator, ip, room } = report;
  const details: ComputeDetails = { initiator, ip, room };
  const now = sqlTime(deps.clock.now());
  await upsertService(deps, report, 'blockyard-compute', report.host, JSON.stringify(details), now);
  await takeServers(deps, report);
}

async function upsertService(
  deps: Deps,
  report: AgentReport,
  binary: 'blockyard-storage' | 'blockyard-compute' | 'blockyard-backup',
  host: string,
  details: string,
  now: string,
): Promise<void> {
  const seen = {
    agent: report.host as HostName,
    availability_zone: report.availabilityZone,
    version: report.version,
    boot_id: report.bootId,
    details,
    last_seen_at: now,
  };
  await deps.db
    .insertInto('services')
    .values({ binary, host, ...seen, disabled_reason: null, updated_at: null })
    .onDuplicateKeyUpdate(seen)
    .execute();
}
