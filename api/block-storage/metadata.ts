import { sql } from 'kysely';
import type { App } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';

export type Metadata = Readonly<Record<string, string>>;

/** The columns that hold metadata; `empty` is what stands there when there is none. */
const PLACES = {
  volume: { table: 'volumes', column: 'metadata', what: 'Volume', empty: '{}' },
  'volume image': { table: 'volumes', column: 'image_metadata', what: 'Volume', empty: null },
  snapshot: { table: 'snapshots', column: 'metadata', what: 'Snapshot', empty: '{}' },
} as const;

/**
 * Reads, changes and writes metadata under a lock on the row.
 * @throws ApiError 404 when the row has gone, and what `edit` throws; then nothing is written.
 */
export async function changeMetadataOf(
  { db, clock }: App,
  of: keyof typeof PLACES,
  id: string,
  edit: (metadata: Metadata) => Metadata,
): Promise<Metadata> {
  const { table, column, what, empty } = PLACES[of];
  return transact(db, async (trx) => {
    const { rows } = await sql<{ text: string | null }>`SELECT ${sql.ref(column)} AS text
      FROM ${sql.table(table)} WHERE id = ${id} FOR UPDATE`.execute(trx);
    const [row] = rows;
    if (row === undefined) throw notFound(what, id);
    const edited = edit(JSON.parse(row.text ?? '{}') as Metadata);
    const text = Object.keys(edited).length === 0 ? empty : JSON.stringify(edited);
    await sql`UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${text},
      updated_at = ${sqlTime(clock.now())} WHERE id = ${id}`.execute(trx);
    return edited;
  });
}
