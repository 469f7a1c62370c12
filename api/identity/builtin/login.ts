import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { forbidden, unauthorized } from '../errors.ts';
import { checkCredential } from './credential-check.ts';
import { checkPassword, findUserId } from './password-check.ts';
import type { BuiltinIdentity } from './service.ts';
import { loadSession, type Session } from './session.ts';
import { type Claims, newAuditId } from './token-format.ts';
import type { AskedScope, Credentials } from './wire.ts';

export interface Issued {
  readonly token: string;
  readonly session: Session;
}

interface Parts {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  readonly identity: BuiltinIdentity;
}

/** What has been proved, by whichever means; the scope where there is no choice. */
type Proof = Omit<Claims, 'issued' | 'scope'> & { readonly scope?: Claims['scope'] };

/**
 * Gives out a token.
 * @throws ApiError 401 for whatever reason there is, in the same words; 403 for exchanging a token that may not be.
 */
export async function logIn(parts: Parts, credentials: Credentials, asked: AskedScope): Promise<Issued> {
  const { db, clock, identity } = parts;
  const proof = await prove(parts, credentials);
  const base = { ...proof, issued: clock.now() };
  const scope = proof.scope ?? (await (asked ? resolveScope(db, asked) : defaultScope(parts, base)));
  if (scope === undefined) throw unauthorized();
  const claims: Claims = { ...base, scope };
  const session = await loadSession(db, claims);
  if (session === undefined) throw unauthorized();
  return { token: identity.format.seal(claims), session };
}

async function prove(parts: Parts, credentials: Credentials): Promise<Proof> {
  const { token, password, applicationCredential } = credentials;
  const { identity, clock, db } = parts;
  if (applicationCredential !== undefined) {
    const { user, epoch, credential, project, expires } = await checkCredential(parts, applicationCredential);
    return {
      user,
      epoch,
      methods: ['application_credential'],
      audit: [newAuditId()],
      expires: Math.min(clock.now() + identity.settings.tokenMs, expires),
      credential,
      scope: ['project', project],
    };
  }
  const proofs: Proof[] = [];
  if (password !== undefined) {
    const user = await findUserId(db, password.user);
    const epoch = await checkPassword(parts, user, password.user.password);
    proofs.push({
      user: user as string,
      epoch,
      methods: ['password'],
      audit: [newAuditId()],
      expires: clock.now() + identity.settings.tokenMs,
    });
  }
  if (token !== undefined) {
    const session = await identity.directory.session(token.id);
    if (session === undefined) throw unauthorized();
    if (session.credential !== undefined)
      throw forbidden('Using a delegated token to create another token is not allowed.');
    const { user, epoch, methods, audit, expires } = session.claims;
    const first = audit.at(-1) ?? '';
    proofs.push({
      user,
      epoch,
      methods: [...new Set([...methods, 'token' as const])],
      audit: [newAuditId(), first],
      expires,
    });
  }
  const [first, second] = proofs;
  if (first === undefined || (second !== undefined && second.user !== first.user)) throw unauthorized();
  return second ?? first;
}

/** The user's own project where it can be used, as Keystone does; else none. */
async function defaultScope({ db }: Parts, claims: Omit<Claims, 'scope'>): Promise<Claims['scope']> {
  const user = await db
    .selectFrom('identity_users')
    .select('default_project_id')
    .where('id', '=', claims.user as UserId)
    .executeTakeFirst();
  const project = user?.default_project_id ?? null;
  if (project === null) return null;
  const scope: Claims['scope'] = ['project', project];
  return (await loadSession(db, { ...claims, scope })) === undefined ? null : scope;
}

/** @returns undefined when there is no such thing. */
async function resolveScope(
  db: Kysely<Tables>,
  asked: NonNullable<AskedScope>,
): Promise<Claims['scope'] | undefined> {
  if (asked === 'unscoped') return null;
  if (asked.system !== undefined) return ['system', 'all'];
  if (asked.domain !== undefined) {
    const domain = await findDomainId(db, asked.domain);
    return domain === undefined ? undefined : ['domain', domain];
  }
  const { id, name, domain } = asked.project ?? {};
  if (id !== undefined) return ['project', id];
  const row = await db
    .selectFrom('identity_projects')
    .select('id')
    .where('name', '=', name ?? '')
    .where('domain_id', '=', (await findDomainId(db, domain ?? {})) ?? '')
    .executeTakeFirst();
  return row === undefined ? undefined : ['project', row.id satisfies ProjectId];
}

async function findDomainId(
  db: Kysely<Tables>,
  { id, name }: { readonly id?: string | undefined; readonly name?: string | undefined },
): Promise<string | undefined> {
  if (id !== undefined) return id;
  const row = await db
    .selectFrom('identity_domains')
    .select('id')
    .where('name', '=', name ?? '')
    .executeTakeFirst();
  return row?.id;
}
