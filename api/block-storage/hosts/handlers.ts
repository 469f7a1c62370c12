/** Cinder's "Hosts extension (os-hosts)": services by host, and what lies on a storage back end. */
import { sql } from 'kysely';
import type { App, RequestContext } from '#api/http/context.ts';
import { badRequest, notFound } from '#api/http/errors.ts';
import { isoTime } from '#api/http/fields.ts';
import { repr } from '#api/http/python.ts';
import type { Reply } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import { CINDER_BINARIES } from '#schema/services.ts';
import { serviceNotFound, servicesOn } from '../services/find.ts';
import { isUp } from '../services/handlers.ts';

/** Hypervisors are none of Cinder's hosts. */
const BINARIES = ['blockyard-storage', 'blockyard-conductor', 'blockyard-backup'] as const;

export async function listHosts({ app }: RequestContext, zone: string | undefined): Promise<Reply> {
  const rows = await app.db
    .selectFrom('services')
    .selectAll()
    .where('binary', 'in', BINARIES)
    .where('disabled', '=', 0)
    .$if((zone ?? '') !== '', (query) => query.where('availability_zone', '=', zone ?? ''))
    .orderBy('id')
    .execute();
  const hosts = rows.map((row) => ({
    host_name: row.host,
    service: CINDER_BINARIES[row.binary],
    zone: row.availability_zone,
    'service-status': isUp(row, app.clock) ? 'available' : 'unavailable',
    'service-state': 'enabled',
    'last-update': isoTime(row.last_seen_at),
  }));
  return { status: 200, body: { hosts } };
}

interface Sum {
  readonly project: string;
  readonly volumes: number;
  readonly gib: string;
  readonly snapshots: number;
  readonly snapshot_gib: string;
}

/** What all projects have there, and then each. */
export async function showHost({ app }: RequestContext, host: string): Promise<Reply> {
  if ((await servicesOn(app, host, 'blockyard-storage')).length === 0) {
    throw serviceNotFound('cinder-volume', host);
  }
  const sums = await sumsOn(app, host);
  const total = sums.reduce<Sum>(
    (all, one) => ({
      project: '(total)',
      volumes: all.volumes + one.volumes,
      gib: String(Number(all.gib) + Number(one.gib)),
      snapshots: all.snapshots + one.snapshots,
      snapshot_gib: String(Number(all.snapshot_gib) + Number(one.snapshot_gib)),
    }),
    { project: '(total)', volumes: 0, gib: '0', snapshots: 0, snapshot_gib: '0' },
  );
  const resources = [total, ...sums].map((sum) => ({
    resource: {
      host,
      project: sum.project,
      volume_count: String(sum.volumes),
      total_volume_gb: sum.gib,
      snapshot_count: String(sum.snapshots),
      total_snapshot_gb: sum.snapshot_gib,
    },
  }));
  return { status: 200, body: { host: resources } };
}

/** Volumes are named after their pool, `host@backend#pool`: a range of the index, for a host as for a back end. */
async function sumsOn({ db }: App, host: string): Promise<Sum[]> {
  const [from, to] = host.includes('@') ? [`${host}#`, `${host}$`] : [`${host}@`, `${host}A`];
  const here = sql`v.pool >= ${from} AND v.pool < ${to}`;
  const { rows } = await sql<Sum>`SELECT project, CAST(SUM(volumes) AS SIGNED) AS volumes, SUM(gib) AS gib,
      CAST(SUM(snapshots) AS SIGNED) AS snapshots, SUM(snapshot_gib) AS snapshot_gib FROM (
    SELECT v.project_id AS project, COUNT(*) AS volumes, SUM(v.size_gib) AS gib, 0 AS snapshots, 0 AS snapshot_gib
      FROM volumes v WHERE ${here} GROUP BY v.project_id
    UNION ALL
    SELECT s.project_id, 0, 0, COUNT(*), SUM(s.size_gib)
      FROM volumes v JOIN snapshots s ON s.volume_id = v.id WHERE ${here} GROUP BY s.project_id
    ) AS parts GROUP BY project ORDER BY project`.execute(db);
  return rows;
}

/** Switches all of the host's services on or off for new volumes. @throws ApiError 400 for anything else */
export async function updateHost(
  { app }: RequestContext,
  host: string,
  wanted: Readonly<Record<string, unknown>>,
): Promise<Reply> {
  const services = await servicesOn(app, host);
  if (services.length === 0) throw notFound('Host', host);
  const words = Object.entries(wanted).map(([key, value]) => {
    if (key.toLowerCase().trim() !== 'status') {
      throw badRequest(`Invalid update setting: '${key.slice(0, 100).toWellFormed()}'`);
    }
    const word = typeof value === 'string' ? value.toLowerCase().trim() : '';
    if (word !== 'enable' && word !== 'disable') {
      throw badRequest(
        `Invalid status: '${(typeof value === 'string' ? value : repr(value)).slice(0, 100).toWellFormed()}'`,
      );
    }
    return word;
  });
  const [word] = words.slice(-1);
  if (word === undefined) return { status: 200, body: {} };
  await app.db
    .updateTable('services')
    .set({ disabled: word === 'disable' ? 1 : 0, updated_at: sqlTime(app.clock.now()) })
    .where(
      'id',
      'in',
      services.map(({ id }) => id),
    )
    .execute();
  return { status: 200, body: { host, status: `${word}d` } };
}
