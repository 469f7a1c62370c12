import { type ExpressionBuilder, type Kysely, type RawBuilder, sql } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import { asId, type HostName, type ServerId } from '#schema/ids.ts';
import type { ComputeReport } from '#schema/reports.ts';
import type { Tables } from '#schema/tables.ts';
import type { ServerClaims } from './server-claims.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  readonly claims: ServerClaims;
  readonly log: (line: string) => void;
}

/** What an operation wrote about a server this recently may be newer than a report that comes now. */
const OPERATION_WINS_MS = 2_000;
/** No report that knows a deleted server still comes after this. */
const TOMBSTONE_MS = 60_000;

/**
 * Writes a host's domains into MySQL. A server that was made through the API keeps what the API says of it; its status
 * is the host's word only while nothing is being done to it and it isn't in ERROR.
 */
export async function takeServers(deps: Deps, whole: ComputeReport): Promise<void> {
  const report = { ...whole, servers: await undisputed(deps, whole) };
  const host = report.host as HostName;
  const now = deps.clock.now();
  const atRest = sql<boolean>`(task_state IS NULL AND fault IS NULL AND status NOT IN ('BUILD', 'DELETED')
    AND updated_at < ${sqlTime(now - OPERATION_WINS_MS)})`;
  await upsert(deps.db, report, sqlTime(now), atRest);
  // Those that moved to another host belong to the one that reported them last.
  const ids = report.servers.map(({ id }) => id as ServerId);
  await deps.db
    .deleteFrom('servers')
    .where('host', '=', host)
    .where((eb) =>
      eb.or([
        eb('root_volume_id', 'is', null),
        eb.and([eb('status', '=', 'DELETED'), eb('updated_at', '<', sqlTime(now - TOMBSTONE_MS))]),
      ]),
    )
    .$if(ids.length > 0, (query) => query.where('id', 'not in', ids))
    .execute();
  await deps.db
    .updateTable('servers')
    .set({ status: 'SHUTOFF' })
    .where('host', '=', host)
    .where('root_volume_id', 'is not', null)
    .where('status', '<>', 'SHUTOFF')
    .where(atRest)
    .$if(ids.length > 0, (query) => query.where('id', 'not in', ids))
    .execute();
}

/** Leaves out what another host still has: a host that has been taken over could have its volumes sent to itself. */
async function undisputed(
  { db, claims, log }: Deps,
  { host, servers }: ComputeReport,
): Promise<ComputeReport['servers']> {
  claims.heard(
    host as HostName,
    servers.map(({ id }) => id),
  );
  if (servers.length === 0) return servers;
  const elsewhere = await db
    .selectFrom('servers')
    .select(['id', 'host'])
    .where(
      'id',
      'in',
      servers.map(({ id }) => id as ServerId),
    )
    .where('host', '<>', host as HostName)
    .execute();
  const disputed = new Set<string>();
  for (const row of elsewhere) {
    if (row.host === null || !claims.holds(row.host, row.id)) continue;
    log(`host ${host} reports server ${row.id}, which host ${row.host} has: left out`);
    disputed.add(row.id);
  }
  return servers.filter(({ id }) => !disputed.has(id));
}

async function upsert(
  db: Kysely<Tables>,
  report: ComputeReport,
  now: string,
  atRest: RawBuilder<boolean>,
): Promise<void> {
  if (report.servers.length === 0) return;
  await db
    .insertInto('servers')
    .values(
      report.servers.map((server) => ({
        id: server.id as ServerId,
        host: report.host as HostName,
        project_id: server.projectId === null ? null : asId(server.projectId),
        user_id: null,
        name: server.name,
        status: server.status,
        vcpus: server.vcpus,
        memory_mib: server.memoryMib,
        root_volume_id: null,
        flavor: null,
        task_state: null,
        fault: null,
        metadata: null,
        created_at: now,
        updated_at: now,
      })),
    )
    .onDuplicateKeyUpdate((eb) => ({
      ...Object.fromEntries(
        (['project_id', 'name', 'vcpus', 'memory_mib'] as const).map((column) => [
          column,
          sql`IF(root_volume_id IS NULL, ${reported(eb, column)}, ${eb.ref(column)})`,
        ]),
      ),
      status: sql<string>`IF(root_volume_id IS NULL OR ${atRest}, ${reported(eb, 'status')}, status)`,
      // Nor does an old report bring one back that could not be made and was taken from its host.
      host: sql<HostName>`IF(status = 'DELETED' OR (root_volume_id IS NOT NULL AND host IS NULL), host,
        ${reported(eb, 'host')})`,
      // Assignments are made in this order, and the status's condition reads the column.
      updated_at: sql<string>`IF(root_volume_id IS NULL, ${reported(eb, 'updated_at')}, updated_at)`,
    }))
    .execute();
}

function reported(
  eb: ExpressionBuilder<Tables, 'servers'>,
  column: keyof Tables['servers'],
): RawBuilder<unknown> {
  return sql`VALUES(${eb.ref(column)})`;
}
