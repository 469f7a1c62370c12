import type { Kysely } from 'kysely';
import { addColumns, addKeys, ID } from './columns.ts';

/** An image that an encrypted volume was uploaded to has a key. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await addColumns(db, 'images', { encryption_key_id: `${ID} NULL` });
  await addKeys(db, 'images', { by_encryption_key: '(encryption_key_id)' });
}
