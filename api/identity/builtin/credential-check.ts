import type { Kysely } from 'kysely';
import { sqlTime, sqlTimeToMs } from '#schema/clock.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { findUserId } from './password-check.ts';
import { type CheckParts, checkSecret } from './secret-check.ts';
import type { AskedCredential } from './wire.ts';

interface Proved {
  readonly credential: string;
  readonly user: UserId;
  readonly epoch: number;
  readonly project: ProjectId;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/**
 * Whether this is the secret of that application credential. Wrong ones lock out the credential and not its user, who would
 * else be kept out by a program that nobody has told of a new secret.
 * @throws ApiError 401
 */
export async function checkCredential(parts: CheckParts, asked: AskedCredential): Promise<Proved> {
  const { db, clock } = parts;
  // The owner is whoever the id says: a user who is named beside it does not count (LP#2148477).
  const owner = asked.id === undefined ? await findUserId(db, asked.user ?? {}) : undefined;
  const by = asked.id === undefined ? { owner, name: asked.name } : { id: asked.id };
  const found = await checkSecret(parts, () => findCredential(db, by, sqlTime(clock.now())), asked.secret);
  return {
    credential: found.id,
    user: found.user_id,
    epoch: found.epoch,
    project: found.project_id,
    expires: found.expires_at === null ? Number.POSITIVE_INFINITY : sqlTimeToMs(found.expires_at),
  };
}

/** One that has not run out. */
async function findCredential(
  db: Kysely<Tables>,
  by: { readonly id: string } | { readonly owner: UserId | undefined; readonly name: string | undefined },
  now: string,
) {
  const row = await db
    .selectFrom('identity_application_credentials as credential')
    .innerJoin('identity_users as user', 'user.id', 'credential.user_id')
    .select([
      'credential.id',
      'credential.user_id',
      'credential.project_id',
      'credential.secret as hash',
      'credential.expires_at',
      'credential.failures',
      'credential.locked_until',
      'user.enabled',
      'user.epoch',
    ])
    .where((where) =>
      'id' in by
        ? where('credential.id', '=', by.id)
        : where.and({ 'credential.user_id': by.owner ?? ('' as UserId), 'credential.name': by.name ?? '' }),
    )
    .where((where) =>
      where.or([where('credential.expires_at', 'is', null), where('credential.expires_at', '>', now)]),
    )
    .executeTakeFirst();
  return row && { ...row, table: 'identity_application_credentials' as const };
}
