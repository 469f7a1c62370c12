import type { Kysely } from 'kysely';
import { addColumns, WORD } from './columns.ts';

const COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  volumes: { readonly: 'TINYINT(1) NULL' },
  snapshots: { progress: `${WORD(8)} NULL` },
  operations: { dismissed: 'TINYINT(1) NOT NULL DEFAULT 0' },
  // For the lists of all projects' attachments, in the order of their making.
  attachments: { mode_asked: `${WORD(4)} NULL, ADD KEY by_age (created_at, id)` },
};

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, columns] of Object.entries(COLUMNS)) await addColumns(db, table, columns);
}
