import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import type { ServicesTable } from '#schema/tables.ts';
import type { Tx } from '../transaction.ts';

/** What a report says of one service. */
export type Seen = Pick<
  ServicesTable,
  'binary' | 'host' | 'agent' | 'availability_zone' | 'version' | 'boot_id' | 'details'
>;

const SAID = ['agent', 'availability_zone', 'version', 'boot_id', 'details'] as const;

/**
 * Notes that these services have been heard of. Those that say what they said before get a new time and nothing else: an
 * INSERT, though it only updates, uses up a number of the table each time.
 */
export async function upsertServices(tx: Tx, rows: readonly Seen[], now: string): Promise<void> {
  if (rows.length === 0) return;
  const known = await tx.rows(
    tx.q
      .selectFrom('services')
      .select(['id', 'binary', 'host', ...SAID])
      .where((where) =>
        where.or(
          [...Map.groupBy(rows, ({ binary }) => binary)].map(([binary, same]) =>
            where.and([
              where('binary', '=', binary),
              where(
                'host',
                'in',
                same.map(({ host }) => host),
              ),
            ]),
          ),
        ),
      ),
  );
  const before = new Map(known.map((row) => [`${row.binary} ${row.host}`, row]));
  const same: number[] = [];
  const others: Seen[] = [];
  for (const row of rows) {
    const old = before.get(`${row.binary} ${row.host}`);
    if (old !== undefined && SAID.every((column) => isSame(column, old[column], row[column])))
      same.push(old.id);
    else others.push(row);
  }
  if (same.length > 0) {
    tx.later(
      tx.q
        .updateTable('services')
        .set({ last_seen_at: now })
        .where(
          'id',
          'in',
          same.toSorted((a, b) => a - b),
        ),
    );
  }
  if (others.length > 0) {
    tx.later(
      tx.q
        .insertInto('services')
        .values(others.map((row) => ({ ...row, last_seen_at: now, disabled_reason: null, updated_at: null })))
        .onDuplicateKeyUpdate((eb) =>
          Object.fromEntries(
            [...SAID, 'last_seen_at' as const].map((column) => [column, sql`VALUES(${eb.ref(column)})`]),
          ),
        ),
    );
  }
}

/** MySQL keeps JSON in a form of its own. */
function isSame(column: (typeof SAID)[number], a: string, b: string): boolean {
  return a === b || (column === 'details' && isDeepStrictEqual(JSON.parse(a), JSON.parse(b)));
}
