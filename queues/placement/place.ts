import { sql } from 'kysely';
import { sqlTimeToMs } from '#schema/clock.ts';
import type { PoolName } from '#schema/ids.ts';
import type { Tx } from '../transaction.ts';
import type { Candidate, Wanted } from './candidate.ts';
import { refusal } from './filters.ts';
import { byWeight, type Weights } from './weighers.ts';

/** No pool will do; the message gives the reason against each. */
export class NoValidPool extends Error {
  override readonly name = 'NoValidPool';
}

/**
 * Chooses a pool and reserves the room in the caller's transaction. The reservation is a compare-and-swap on the
 * pool's own row, so of two conductors that want the last gigabyte one is refused and looks further.
 * @throws NoValidPool
 */
export async function place(tx: Tx, wanted: Wanted, weights: Weights, now: number): Promise<Candidate> {
  const reasons: string[] = [];
  const fitting: Candidate[] = [];
  for (const pool of await candidates(tx)) {
    const reason = refusal(pool, wanted, now);
    if (reason === null) fitting.push(pool);
    else reasons.push(`${pool.name}: ${reason}`);
  }
  for (const pool of byWeight(fitting, weights)) {
    if (await reserve(tx, pool.name, wanted.sizeGib, 1)) return pool;
    reasons.push(`${pool.name}: another volume has just taken the room`);
  }
  throw new NoValidPool(
    reasons.length === 0
      ? 'No storage backend has reported yet.'
      : `No storage backend can take the volume. ${reasons.join('; ')}.`,
  );
}

async function candidates(tx: Tx): Promise<Candidate[]> {
  const rows = await tx.rows(
    tx.q
      .selectFrom('pools')
      .innerJoin('services', (join) =>
        join
          .onRef('services.host', '=', 'pools.service_host')
          .on('services.binary', '=', 'blockyard-storage'),
      )
      .selectAll('pools')
      .select(['services.disabled', 'services.disabled_reason', 'services.last_seen_at']),
  );
  const newest = new Map<string, string>();
  for (const { agent, reported_at } of rows) {
    if (reported_at > (newest.get(agent) ?? '')) newest.set(agent, reported_at);
  }
  return rows.map((row) => ({
    name: row.name,
    agent: row.agent,
    backendName: row.backend_name,
    availabilityZone: row.availability_zone,
    capabilities: JSON.parse(row.capabilities) as Candidate['capabilities'],
    totalGib: row.total_gib,
    freeGib: row.free_gib,
    reservedPercentage: row.reserved_percentage,
    maxOverSubscriptionRatio: row.max_over_subscription_ratio,
    thin: row.thin === 1,
    allocatedGib: row.allocated_gib,
    volumeCount: row.volume_count,
    reported: row.reported_at === newest.get(row.agent),
    disabledReason: row.disabled === 1 ? (row.disabled_reason ?? '') : null,
    lastSeen: sqlTimeToMs(row.last_seen_at),
  }));
}

/**
 * Takes `sizeGib` of a pool if it is still there (`roomGib` in SQL); false when it is not. Between two reports the
 * free space of a thick pool shrinks with what is promised.
 */
export async function reserve(tx: Tx, name: PoolName, sizeGib: number, volumes: 0 | 1): Promise<boolean> {
  const { matched } = await tx.change(
    tx.q
      .updateTable('pools')
      .set({
        allocated_gib: sql`allocated_gib + ${sizeGib}`,
        free_gib: sql`IF(thin, free_gib, free_gib - ${sizeGib})`,
        volume_count: sql`volume_count + ${volumes}`,
      })
      .where('name', '=', name)
      .where(
        sql<boolean>`IF(thin,
        allocated_gib + ${sizeGib} <= total_gib * (1 - reserved_percentage / 100) * max_over_subscription_ratio,
        ${sizeGib} <= LEAST(total_gib - allocated_gib, free_gib) - total_gib * reserved_percentage / 100)`,
      ),
  );
  return matched > 0;
}

/** Gives room back. */
export function release(tx: Tx, name: PoolName, sizeGib: number, volumes: 0 | 1): void {
  tx.later(
    tx.q
      .updateTable('pools')
      .set({
        allocated_gib: sql`allocated_gib - ${sizeGib}`,
        free_gib: sql`IF(thin, free_gib, free_gib + ${sizeGib})`,
        volume_count: sql`volume_count - ${volumes}`,
      })
      .where('name', '=', name),
  );
}
