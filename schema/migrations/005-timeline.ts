import type { Kysely } from 'kysely';
import { addColumns, WORD } from './columns.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  await addColumns(db, 'operations', { traceparent: `${WORD(64)} NULL` });
  await addColumns(db, 'operation_steps', { wait_ms: 'INT UNSIGNED NULL', commands: 'JSON NULL' });
}
