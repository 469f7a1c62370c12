import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { HostName } from '#schema/ids.ts';
import { agentReport, type ComputeReport, type StorageReport } from '#schema/reports.ts';
import type { Tables } from '#schema/tables.ts';
import { agentQueue, reportKeys } from '../names.ts';
import type { ComputeDetails } from '../placement/place-server.ts';
import { transaction } from '../transaction.ts';
import type { ServerClaims } from './server-claims.ts';
import { takeServers } from './server-reports.ts';
import { upsertServices } from './service-rows.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  /** Resolves when MySQL has it. */
  readonly storage: (report: StorageReport) => Promise<void>;
  /** A hypervisor is there; called when MySQL knows. */
  readonly present: (host: HostName, bootId: string) => Promise<void>;
  readonly claims: ServerClaims;
  readonly log: (line: string) => void;
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
  if (report.kind === 'storage') await deps.storage(report);
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

async function takeCompute(deps: Deps, report: ComputeReport): Promise<void> {
  const { initiator, ip, room } = report;
  const details: ComputeDetails = { initiator, ip, room };
  const now = sqlTime(deps.clock.now());
  const seen = {
    binary: 'blockyard-compute',
    host: report.host,
    agent: report.host as HostName,
    availability_zone: report.availabilityZone,
    version: report.version,
    boot_id: report.bootId,
    details: JSON.stringify(details),
  } as const;
  await transaction(deps.db, (tx) => upsertServices(tx, [seen], now));
  await takeServers(deps, report);
}
