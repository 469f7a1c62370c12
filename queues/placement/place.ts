import { type Compilable, sql } from 'kysely';
import { type Clock, sqlTimeToMs } from '#schema/clock.ts';
import type { PoolName } from '#schema/ids.ts';
import type { Tx } from '../transaction.ts';
import type { Candidate, Wanted } from './candidate.ts';
import { describe } from './capabilities.ts';
import { refusal, unsuited } from './filters.ts';
import { byWeight, type Weights } from './weighers.ts';

/** No pool will do; the message gives the reason against each. */
export class NoValidPool extends Error {
  override readonly name = 'NoValidPool';
}

/** How long a reading of the pools may serve. What it gets wrong the reservation itself finds out. */
const FRESH_MS = 1_000;

/** Chooses pools, and remembers for a second what it read of them. */
export class Placement {
  readonly #weights: Weights;
  readonly #clock: Clock;
  #known: { readonly at: number; readonly pools: Candidate[] } | undefined;

  constructor(weights: Weights, clock: Clock) {
    this.#weights = weights;
    this.#clock = clock;
  }

  /** Forgets what it read; for who found a reservation of `place` lost. */
  forget(): void {
    this.#known = undefined;
  }

  /**
   * Chooses a pool and reserves the room in the caller's transaction. The reservation is a compare-and-swap on the
   * pool's own row, so of two conductors that want the last gigabyte one is refused and looks further.
   * @throws NoValidPool; and the transaction LostRow, when the choice was made from memory and did not hold.
   */
  async place(tx: Tx, wanted: Wanted): Promise<PoolName> {
    const now = this.#clock.now();
    if (this.#known !== undefined && now - this.#known.at < FRESH_MS) {
      const [best] = byWeight(this.#sift(this.#known.pools, wanted, now).fitting, this.#weights);
      if (best !== undefined) {
        tx.must(reservation(tx, best.name, wanted.sizeGib, 1));
        this.#count(best, wanted.sizeGib);
        return best.name;
      }
    }
    return this.#placeAnew(tx, wanted, now);
  }

  async #placeAnew(tx: Tx, wanted: Wanted, now: number): Promise<PoolName> {
    const pools = await candidates(tx);
    this.#known = { at: now, pools };
    const { fitting, reasons } = this.#sift(pools, wanted, now);
    for (const pool of byWeight(fitting, this.#weights)) {
      if (await reserve(tx, pool.name, wanted.sizeGib, 1)) {
        this.#count(pool, wanted.sizeGib);
        return pool.name;
      }
      reasons.push(`${pool.name}: another volume has just taken the room`);
    }
    throw new NoValidPool(whyNot(wanted, reasons));
  }

  /** Why what lies in this pool could not have been placed there, its room apart; null when it could. */
  async unmet(tx: Tx, name: PoolName, wanted: Wanted): Promise<string | null> {
    const pool = (await candidates(tx)).find((each) => each.name === name);
    return pool === undefined ? `${name} is not there any more` : unsuited(pool, wanted, this.#clock.now());
  }

  #sift(
    pools: readonly Candidate[],
    wanted: Wanted,
    now: number,
  ): { fitting: Candidate[]; reasons: string[] } {
    const fitting: Candidate[] = [];
    const reasons: string[] = [];
    for (const pool of pools) {
      if (wanted.pool !== undefined && pool.name !== wanted.pool) continue;
      if (pool.name === wanted.except) continue;
      const reason = refusal(pool, wanted, now);
      if (reason === null) fitting.push(pool);
      else reasons.push(`${pool.name}: ${reason}`);
    }
    return { fitting, reasons };
  }

  /** So that a burst within one second spreads over the pools all the same. */
  #count(pool: Candidate, sizeGib: number): void {
    const known = this.#known?.pools;
    const index = known?.indexOf(pool) ?? -1;
    known?.splice(index, index === -1 ? 0 : 1, {
      ...pool,
      allocatedGib: pool.allocatedGib + sizeGib,
      freeGib: pool.thin ? pool.freeGib : pool.freeGib - sizeGib,
      volumeCount: pool.volumeCount + 1,
    });
  }
}

function whyNot({ pool, except }: Wanted, reasons: readonly string[]): string {
  if (except !== undefined) {
    const why = reasons.length === 0 ? 'There is none' : reasons.join('; ');
    return `No other storage backend can take the volume. ${why}.`;
  }
  if (pool !== undefined) {
    const reason = reasons.length === 0 ? `${pool} is not there any more` : reasons.join('; ');
    return `The volume must lie where its source is, and that cannot take it. ${reason}.`;
  }
  return reasons.length === 0
    ? 'No storage backend has reported yet.'
    : `No storage backend can take the volume. ${reasons.join('; ')}.`;
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
    ...describe(row),
    name: row.name,
    agent: row.agent,
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
  return (await tx.change(reservation(tx, name, sizeGib, volumes))).matched > 0;
}

/** A service that is disabled gets no new volumes from this moment on, whatever was read before. */
function reservation(tx: Tx, name: PoolName, sizeGib: number, volumes: 0 | 1): Compilable {
  return tx.q
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
    )
    .$if(volumes === 1, (update) =>
      update.where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom('services')
              .select('services.id')
              .whereRef('services.host', '=', 'pools.service_host')
              .where('services.binary', '=', 'blockyard-storage')
              .where('services.disabled', '=', 1),
          ),
        ),
      ),
    );
}

/** What a volume's row says once it lies there: another pool may be in another zone. */
export function inPool(tx: Tx, name: PoolName) {
  const zone = tx.q.selectFrom('pools').select('availability_zone').where('name', '=', name);
  return { pool: name, availability_zone: sql<string>`COALESCE(${zone}, availability_zone)` };
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
