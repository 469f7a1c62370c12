import type { Ids, ProjectId, UserId } from '#schema/ids.ts';
import type { BuiltinIdentity } from './builtin/service.ts';
import { DOMAIN } from './domain.ts';

/** The roles that Cinder's policy knows. */
const ROLES = ['admin', 'member', 'reader', 'service'];
/** As Keystone's own bootstrap has it. */
const IMPLIED = [
  ['admin', 'member'],
  ['member', 'reader'],
] as const;

export interface Bootstrapped {
  readonly userId: string;
  readonly projectId: string;
}

/**
 * Makes sure that there are a domain, the roles, and a user who administers everything: again after a password was lost, too.
 * The user gets this password, is enabled and no longer locked out; older tokens end.
 */
export async function bootstrapIdentity(
  { identity, ids }: { readonly identity: BuiltinIdentity; readonly ids: Ids },
  wanted: {
    readonly user: string;
    readonly password: string;
    readonly project: string;
    /** Of a project that is made. */
    readonly projectId?: string;
  },
): Promise<Bootstrapped> {
  const newId = (): string => ids.uuid().replaceAll('-', '');
  const password = await identity.passwords.hash(wanted.password);
  return identity.change(async (trx) => {
    await trx
      .insertInto('identity_domains')
      .ignore()
      .values({ ...DOMAIN, description: 'The default domain', enabled: 1, immutable: null })
      .execute();
    for (const name of ROLES)
      await trx
        .insertInto('identity_roles')
        .ignore()
        .values({ id: newId(), name, description: null, immutable: 1 })
        .execute();
    for (const [prior, implied] of IMPLIED)
      await trx
        .insertInto('identity_role_implications')
        .ignore()
        .columns(['prior_role_id', 'implied_role_id'])
        .expression((from) =>
          from
            .selectFrom(['identity_roles as prior', 'identity_roles as implied'])
            .select(['prior.id as prior_role_id', 'implied.id as implied_role_id'])
            .where('prior.name', '=', prior)
            .where('implied.name', '=', implied),
        )
        .execute();
    await trx
      .insertInto('identity_projects')
      .ignore()
      .values({
        id: (wanted.projectId ?? newId()) as ProjectId,
        domain_id: DOMAIN.id,
        name: wanted.project,
        description: '',
        enabled: 1,
        immutable: null,
        tags: null,
        extra: null,
      })
      .execute();
    await trx
      .insertInto('identity_users')
      .values({
        id: newId() as UserId,
        domain_id: DOMAIN.id,
        name: wanted.user,
        description: null,
        email: null,
        enabled: 1,
        default_project_id: null,
        password,
        locked_until: null,
      })
      .onDuplicateKeyUpdate((eb) => ({
        password,
        enabled: 1,
        failures: 0,
        locked_until: null,
        epoch: eb('epoch', '+', 1),
      }))
      .execute();
    const { id: user_id } = await trx
      .selectFrom('identity_users')
      .select('id')
      .where('domain_id', '=', DOMAIN.id)
      .where('name', '=', wanted.user)
      .executeTakeFirstOrThrow();
    const { id: project } = await trx
      .selectFrom('identity_projects')
      .select('id')
      .where('domain_id', '=', DOMAIN.id)
      .where('name', '=', wanted.project)
      .executeTakeFirstOrThrow();
    const { id: role_id } = await trx
      .selectFrom('identity_roles')
      .select('id')
      .where('name', '=', 'admin')
      .executeTakeFirstOrThrow();
    await trx
      .insertInto('identity_assignments')
      .ignore()
      .values([
        { user_id, scope: 'project', scope_id: project, role_id },
        { user_id, scope: 'system', scope_id: 'all', role_id },
      ])
      .execute();
    return { userId: user_id, projectId: project };
  });
}
