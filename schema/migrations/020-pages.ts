import type { Kysely } from 'kysely';
import { addKeys, dropKey } from './columns.ts';

/** Pages of these lists are found in these alone. */
const KEYS = {
  backups: {
    by_name: '(name, created_at, id)',
    by_status: '(status, created_at, id)',
  },
  operations: {
    by_age: '(created_at, seq_base, id)',
    by_project_age: '(project_id, created_at, seq_base, id)',
    by_state_age: '(state, created_at, seq_base, id)',
  },
} as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, keys] of Object.entries(KEYS)) await addKeys(db, table, keys);
  // The beginnings of the longer ones.
  for (const name of ['by_project', 'by_state']) await dropKey(db, 'operations', name);
}
