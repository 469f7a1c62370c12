import type { Kysely } from 'kysely';
import { addColumns, WORD } from './columns.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  await addColumns(db, 'volumes', { migration_status: `${WORD(16)} NULL` });
}
