import type { Transaction } from 'kysely';
import type { UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

/** Before anything else of the user's is touched: until `trx` ends, nobody gives an application credential what another takes. */
export async function lockUser(trx: Transaction<Tables>, id: string): Promise<void> {
  await trx
    .selectFrom('identity_users')
    .select('id')
    .where('id', '=', id as UserId)
    .forUpdate()
    .execute();
}
