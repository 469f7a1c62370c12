import type { Kysely } from 'kysely';
import type { Tables } from '#schema/tables.ts';
import { gauge } from '#telemetry/metrics.ts';

const GIB = 1024 ** 3;

const pool = (name: string, help: string) =>
  gauge({ name: `blockyard_pool_${name}`, help, labelNames: ['pool'] });
const total = pool('total_bytes', 'Size of the pool, as its host reports it');
const free = pool('free_bytes', 'What is free in the pool, as its host reports it');
const allocated = pool('allocated_bytes', 'What is taken in the pool: total less free');
const provisioned = pool('provisioned_bytes', 'What the volumes and snapshots in the pool add up to');
const limit = pool(
  'provisionable_bytes',
  'What they may add up to: size less reserve, times the over-subscription ratio',
);
const volumes = pool('volumes', 'Volumes in the pool');

const inStatus = (what: string) =>
  gauge({ name: `blockyard_${what}`, help: `${what} by status`, labelNames: ['status'] });
const volumeStatus = inStatus('volumes');
const attachmentStatus = inStatus('attachments');
const snapshotStatus = inStatus('snapshots');
const serverStatus = inStatus('servers');

export async function collectCapacity(db: Kysely<Tables>): Promise<void> {
  const rows = await db.selectFrom('pools').selectAll().execute();
  for (const gauge of [total, free, allocated, provisioned, limit, volumes]) gauge.reset();
  for (const row of rows) {
    const label = { pool: row.name };
    const ratio = row.thin === 1 ? row.max_over_subscription_ratio : 1;
    total.set(label, row.total_gib * GIB);
    free.set(label, row.free_gib * GIB);
    allocated.set(label, (row.total_gib - row.free_gib) * GIB);
    provisioned.set(label, row.allocated_gib * GIB);
    limit.set(label, row.total_gib * (1 - row.reserved_percentage / 100) * ratio * GIB);
    volumes.set(label, row.volume_count);
  }
}

export async function collectStatuses(db: Kysely<Tables>): Promise<void> {
  for (const [table, gauge] of [
    ['volumes', volumeStatus],
    ['attachments', attachmentStatus],
    ['snapshots', snapshotStatus],
    ['servers', serverStatus],
  ] as const) {
    const rows = await db
      .selectFrom(table)
      .select(({ fn }) => ['status', fn.countAll<number>().as('count')])
      .groupBy('status')
      .execute();
    gauge.reset();
    for (const { status, count } of rows) gauge.set({ status }, count);
  }
}
