import type { Selectable } from 'kysely';
import type { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { IdentityRolesTable } from '#schema/tables.ts';
import { comparable } from '../comparable.ts';
import { notFound } from '../errors.ts';
import { identityOf, linksOf, newId } from '../fields.ts';
import { type Filters, matching } from '../filters.ts';
import { checkMutable, immutableOf, optionsOf, type resourceOptions } from '../options.ts';
import { stored } from '../stored.ts';

export type RoleRow = Selectable<IdentityRolesTable>;
type Query = Record<string, string>;

export const NAMED: Filters = { texts: { name: 'name' } };
type ById = Input<{ id: string }, Query, unknown>;

interface Role {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly options?: z.infer<typeof resourceOptions> | undefined;
}

export const roleView = ({ selfUrl }: RequestContext, row: RoleRow) => ({
  id: row.id,
  name: row.name,
  domain_id: null,
  description: row.description,
  options: optionsOf(row),
  links: { self: `${selfUrl}/roles/${row.id}` },
});

export async function listRoles(
  context: RequestContext,
  { query }: Input<object, Query, unknown>,
): Promise<Reply> {
  identityOf(context);
  const rows = await context.app.db
    .selectFrom('identity_roles')
    .selectAll()
    .where(matching(query, NAMED))
    // All roles are of no domain.
    .$if(Boolean(query['domain_id']), (select) => select.limit(0))
    .orderBy('name')
    .execute();
  return {
    status: 200,
    body: { roles: rows.map((row) => roleView(context, row)), links: linksOf(context, '/roles') },
  };
}

export async function showRole(context: RequestContext, { params }: ById): Promise<Reply> {
  return { status: 200, body: { role: roleView(context, await findRole(context, params.id)) } };
}

export async function createRole(
  context: RequestContext,
  { body: { role } }: Input<object, Query, { role: Role & { name: string } }>,
): Promise<Reply> {
  const row: RoleRow = {
    id: newId(context),
    name: role.name,
    description: role.description ?? null,
    immutable: immutableOf(role.options),
  };
  await stored('role', row, () =>
    identityOf(context).change((trx) => trx.insertInto('identity_roles').values(row).execute()),
  );
  return { status: 201, body: { role: roleView(context, row) } };
}

export async function updateRole(
  context: RequestContext,
  { params, body: { role } }: Input<{ id: string }, Query, { role: Role }>,
): Promise<Reply> {
  const old = await findRole(context, params.id);
  checkMutable('role', old, role);
  const { name = old.name, description = old.description } = role;
  const immutable = immutableOf(role.options, old.immutable);
  const row: RoleRow = { id: old.id, name, description, immutable };
  await stored('role', row, () =>
    identityOf(context).change((trx) =>
      trx.updateTable('identity_roles').set(row).where('id', '=', old.id).execute(),
    ),
  );
  return { status: 200, body: { role: roleView(context, row) } };
}

/** Application credentials that were made with it go, too. */
export async function deleteRole(context: RequestContext, { params }: ById): Promise<Reply> {
  const role = await findRole(context, params.id);
  checkMutable('role', role);
  const { id } = role;
  await identityOf(context).change(async (trx) => {
    // From here on no credential gets it.
    await trx.selectFrom('identity_roles').select('id').where('id', '=', id).forUpdate().execute();
    await trx
      .deleteFrom('identity_application_credentials')
      .where('id', 'in', (from) =>
        from
          .selectFrom('identity_application_credential_roles')
          .select('credential_id')
          .where('role_id', '=', id),
      )
      .execute();
    await trx.deleteFrom('identity_roles').where('id', '=', id).execute();
  });
  return { status: 204 };
}

/** @throws ApiError 404 */
export async function findRole(context: RequestContext, id: string): Promise<RoleRow> {
  identityOf(context);
  const row = await context.app.db
    .selectFrom('identity_roles')
    .selectAll()
    .where('id', '=', comparable(id))
    .executeTakeFirst();
  if (row === undefined) throw notFound('role', id);
  return row;
}
