import type { Kysely } from 'kysely';
import type { Tables } from '#schema/tables.ts';
import type { Named } from '../builtin/session.ts';

/** All there are: a handful. By name. */
export async function implications(
  db: Kysely<Tables>,
): Promise<readonly { readonly prior: Named; readonly implied: Named }[]> {
  const rows = await db
    .selectFrom('identity_role_implications as rule')
    .innerJoin('identity_roles as prior', 'prior.id', 'rule.prior_role_id')
    .innerJoin('identity_roles as implied', 'implied.id', 'rule.implied_role_id')
    .select(['prior.id as prior_id', 'prior.name as prior_name', 'implied.id', 'implied.name'])
    .orderBy('prior.name')
    .orderBy('implied.name')
    .execute();
  return rows.map(({ prior_id, prior_name, id, name }) => ({
    prior: { id: prior_id, name: prior_name },
    implied: { id, name },
  }));
}
