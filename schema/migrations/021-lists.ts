import type { Kysely } from 'kysely';
import { addKeys, dropKey } from './columns.ts';

const BY_NAME = { by_name: '(name, created_at, id)' };
const BY_STATUS = { by_status: '(status, created_at, id)' };

/** Pages of these lists are found in these alone, as volumes' are. */
const KEYS = {
  snapshots: { ...BY_NAME, ...BY_STATUS },
  backups: { by_data_age: '(data_timestamp, created_at, id)' },
  attachments: { ...BY_STATUS, by_host: '(host, created_at, id)' },
  volume_transfers: { ...BY_NAME, by_age: '(created_at, id)' },
  volume_groups: { ...BY_NAME, ...BY_STATUS },
  group_snapshots: { ...BY_NAME, ...BY_STATUS },
  servers: { ...BY_NAME, ...BY_STATUS, by_host_age: '(host, created_at, id)' },
} as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, keys] of Object.entries(KEYS)) await addKeys(db, table, keys);
  // The beginning of the longer one.
  await dropKey(db, 'servers', 'by_host');
}
