import type { Kysely } from 'kysely';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { grantsOf } from '../grants.ts';
import { implications } from '../roles/implications.ts';
import type { Claims } from './token-format.ts';

export interface Named {
  readonly id: string;
  readonly name: string;
}

export type Scope =
  | { readonly type: 'project'; readonly project: Named; readonly domain: Named }
  | { readonly type: 'domain'; readonly domain: Named }
  | { readonly type: 'system' }
  | { readonly type: 'none' };

/** Who a token speaks for, as MySQL says now. */
export interface Session {
  readonly claims: Claims;
  readonly user: Named;
  readonly userDomain: Named;
  readonly scope: Scope;
  /** Those that were given, and those that they imply; of them an application credential's own. */
  readonly roles: readonly Named[];
  /** What the token was got with, where that was one. */
  readonly credential?: (Named & { readonly unrestricted: boolean }) | undefined;
}

/**
 * What the claims are good for.
 * @returns undefined when they are good for nothing any more: user, project or domain disabled or gone, password changed,
 * token revoked, application credential gone, no role left.
 */
export async function loadSession(db: Kysely<Tables>, claims: Claims): Promise<Session | undefined> {
  const [user, revoked, scope, all, credential] = await Promise.all([
    findUser(db, claims.user),
    isRevoked(db, claims.audit),
    findScope(db, claims.scope),
    findRoles(db, claims),
    findCredential(db, claims.credential),
  ]);
  if (user === undefined || user.epoch !== claims.epoch || revoked || scope === undefined) return undefined;
  if (claims.credential !== undefined && credential === undefined) return undefined;
  const roles = credential === undefined ? all : all.filter(({ id }) => credential.roles.has(id));
  if (scope.type !== 'none' && roles.length === 0) return undefined;
  return {
    claims,
    user: { id: user.id, name: user.name },
    userDomain: { id: user.domain_id, name: user.domain_name },
    scope,
    roles,
    ...(credential && { credential: credential.shown }),
  };
}

/** An enabled user of an enabled domain. */
function findUser(db: Kysely<Tables>, id: string) {
  return db
    .selectFrom('identity_users as user')
    .innerJoin('identity_domains as domain', 'domain.id', 'user.domain_id')
    .select(['user.id', 'user.name', 'user.epoch', 'user.domain_id', 'domain.name as domain_name'])
    .where('user.id', '=', id as UserId)
    .where('user.enabled', '=', 1)
    .where('domain.enabled', '=', 1)
    .executeTakeFirst();
}

/** As in Keystone, those that were got with a revoked one stay. */
async function isRevoked(db: Kysely<Tables>, [audit = '']: readonly string[]): Promise<boolean> {
  const row = await db
    .selectFrom('identity_revocations')
    .select('audit_id')
    .where('audit_id', '=', audit)
    .executeTakeFirst();
  return row !== undefined;
}

/** @returns undefined when it is gone or disabled. */
async function findScope(db: Kysely<Tables>, scope: Claims['scope']): Promise<Scope | undefined> {
  if (scope === null) return { type: 'none' };
  const [type, id] = scope;
  if (type === 'system') return { type };
  return type === 'domain' ? findDomain(db, id) : findProject(db, id);
}

async function findDomain(db: Kysely<Tables>, id: string): Promise<Scope | undefined> {
  const domain = await db
    .selectFrom('identity_domains')
    .select(['id', 'name'])
    .where('id', '=', id)
    .where('enabled', '=', 1)
    .executeTakeFirst();
  return domain && { type: 'domain', domain };
}

async function findProject(db: Kysely<Tables>, id: string): Promise<Scope | undefined> {
  const row = await db
    .selectFrom('identity_projects as project')
    .innerJoin('identity_domains as domain', 'domain.id', 'project.domain_id')
    .select(['project.id', 'project.name', 'project.domain_id', 'domain.name as domain_name'])
    .where('project.id', '=', id as ProjectId)
    .where('project.enabled', '=', 1)
    .where('domain.enabled', '=', 1)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const domain = { id: row.domain_id, name: row.domain_name };
  return { type: 'project', project: { id: row.id, name: row.name }, domain };
}

async function findRoles(db: Kysely<Tables>, { user, scope }: Claims): Promise<readonly Named[]> {
  if (scope === null) return [];
  const given = await db
    .selectFrom(grantsOf(db, user))
    .innerJoin('identity_roles as role', 'role.id', 'assignment.role_id')
    .select(['role.id', 'role.name'])
    .where('assignment.scope', '=', scope[0])
    .where('assignment.scope_id', '=', scope[1])
    .execute();
  if (given.length === 0) return [];
  const rules = await implications(db);
  const all = new Map(given.map((role) => [role.id, role]));
  // What is added is looked at in its turn.
  for (const id of all.keys())
    for (const { prior, implied } of rules) if (prior.id === id) all.set(implied.id, implied);
  return [...all.values()];
}

async function findCredential(db: Kysely<Tables>, id: string | undefined) {
  if (id === undefined) return undefined;
  const rows = await db
    .selectFrom('identity_application_credentials as credential')
    .leftJoin('identity_application_credential_roles as role', 'role.credential_id', 'credential.id')
    .select(['credential.name', 'credential.unrestricted', 'role.role_id'])
    .where('credential.id', '=', id)
    .execute();
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    shown: { id, name: first.name, unrestricted: first.unrestricted === 1 },
    roles: new Set(rows.map(({ role_id: role }) => role)),
  };
}
