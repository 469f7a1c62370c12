import type { RequestContext } from '#api/http/context.ts';
import { isoTime } from '#api/http/fields.ts';
import type { UserId } from '#schema/ids.ts';
import { comparable } from '../comparable.ts';
import { optionsOf } from '../options.ts';

/** A user's, by name; each with its roles. */
export async function credentialRows(
  { app }: RequestContext,
  user: string,
  { id, name }: { readonly id?: string; readonly name?: string },
) {
  const credentials = await app.db
    .selectFrom('identity_application_credentials')
    .select(['id', 'user_id', 'project_id', 'name', 'description', 'unrestricted', 'expires_at'])
    .where('user_id', '=', comparable(user as UserId))
    .$if(id !== undefined, (select) => select.where('id', '=', comparable(id ?? '')))
    .$if(name !== undefined, (select) => select.where('name', '=', name ?? ''))
    .orderBy('name')
    .execute();
  if (credentials.length === 0) return [];
  const ids = credentials.map((credential) => credential.id);
  const roles = await app.db
    .selectFrom('identity_application_credential_roles as given')
    .innerJoin('identity_roles as role', 'role.id', 'given.role_id')
    .select(['given.credential_id', 'role.id', 'role.name', 'role.description', 'role.immutable'])
    .where('given.credential_id', 'in', ids)
    .orderBy('role.name')
    .execute();
  const byCredential = Map.groupBy(roles, ({ credential_id }) => credential_id);
  return credentials.map((credential) => ({ ...credential, roles: byCredential.get(credential.id) ?? [] }));
}

type Row = Awaited<ReturnType<typeof credentialRows>>[number];

export const viewOf = ({ selfUrl }: RequestContext, row: Row) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  user_id: row.user_id,
  project_id: row.project_id,
  system: null,
  roles: row.roles.map((role) => ({
    id: role.id,
    name: role.name,
    domain_id: null,
    description: role.description,
    options: optionsOf(role),
  })),
  unrestricted: row.unrestricted === 1,
  expires_at: row.expires_at === null ? null : isoTime(row.expires_at),
  links: { self: `${selfUrl}/users/${row.user_id}/application_credentials/${row.id}` },
});
