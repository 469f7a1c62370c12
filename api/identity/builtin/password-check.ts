import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { type Clock, sqlTime, sqlTimeToMs } from '#schema/clock.ts';
import type { UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { unauthorized } from '../errors.ts';
import type { BuiltinIdentity } from './service.ts';

interface AskedUser {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly domain?: { readonly id?: string | undefined; readonly name?: string | undefined } | undefined;
}

/** Hides whether a failure was written down, which takes MySQL a few milliseconds. */
const PAUSE_MS = 50;

/**
 * Whether this is the user's password, in as much time for a user who is not there, disabled or locked out.
 * @returns the user's epoch.
 * @throws ApiError 401
 */
export async function checkPassword(
  parts: { readonly db: Kysely<Tables>; readonly clock: Clock; readonly identity: BuiltinIdentity },
  id: UserId | undefined,
  password: string,
): Promise<number> {
  const { db, clock, identity } = parts;
  const { passwords, settings } = identity;
  // All of it in turn: guesses that come together would all be tried before the first is counted.
  const outcome = await passwords.inTurn(async (): Promise<{ epoch: number } | { pause: Promise<void> }> => {
    const user = await findUser(db, id);
    const right = await passwords.matches(password, user?.password ?? null);
    const locked = user?.locked_until != null && sqlTimeToMs(user.locked_until) > clock.now();
    if (user !== undefined && right && !locked && user.enabled === 1) {
      if (user.failures > 0) await forgetFailures(db, user.id);
      return { epoch: user.epoch };
    }
    const pause = sleep(PAUSE_MS);
    // Whoever is locked out stays so no longer for trying on.
    if (user !== undefined && !right && !locked)
      await countFailure(db, user.id, settings.attempts, sqlTime(clock.now() + settings.lockoutMs));
    return { pause };
  });
  if ('epoch' in outcome) return outcome.epoch;
  await outcome.pause;
  throw unauthorized();
}

/** @returns undefined when there is none; looked for in one query either way. */
export async function findUserId(db: Kysely<Tables>, asked: AskedUser): Promise<UserId | undefined> {
  const { id, name = '', domain = {} } = asked;
  const row = await db
    .selectFrom('identity_users as user')
    .innerJoin('identity_domains as domain', 'domain.id', 'user.domain_id')
    .select('user.id')
    .$if(id !== undefined, (query) => query.where('user.id', '=', id as UserId))
    .$if(id === undefined, (query) => query.where('user.name', '=', name))
    .$if(id === undefined && domain.id !== undefined, (query) =>
      query.where('domain.id', '=', domain.id ?? ''),
    )
    .$if(id === undefined && domain.id === undefined, (query) =>
      query.where('domain.name', '=', domain.name ?? ''),
    )
    .executeTakeFirst();
  return row?.id;
}

function findUser(db: Kysely<Tables>, id: UserId | undefined) {
  return db
    .selectFrom('identity_users')
    .select(['id', 'enabled', 'password', 'epoch', 'failures', 'locked_until'])
    .where('id', '=', id ?? ('' as UserId))
    .executeTakeFirst();
}

async function forgetFailures(db: Kysely<Tables>, id: UserId): Promise<void> {
  await db
    .updateTable('identity_users')
    .set({ failures: 0, locked_until: null })
    .where('id', '=', id)
    .execute();
}

/** The last attempt that is allowed begins the lock-out, and the count begins anew after it. */
async function countFailure(db: Kysely<Tables>, id: UserId, attempts: number, until: string): Promise<void> {
  await db
    .updateTable('identity_users')
    .set((eb) => ({
      // Before the count: MySQL assigns from left to right.
      locked_until: eb
        .case()
        .when('failures', '>=', attempts - 1)
        .then(until)
        .else(eb.ref('locked_until'))
        .end(),
      failures: eb
        .case()
        .when('failures', '>=', attempts - 1)
        .then(0)
        .else(eb('failures', '+', 1))
        .end(),
    }))
    .where('id', '=', id)
    .execute();
}
