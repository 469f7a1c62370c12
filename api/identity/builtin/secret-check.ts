import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { type Clock, sqlTime, sqlTimeToMs } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import { unauthorized } from '../errors.ts';
import type { BuiltinIdentity } from './service.ts';

export interface CheckParts {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  readonly identity: BuiltinIdentity;
}

/** Whose secret it may be: a row that counts wrong ones. */
export interface Guarded {
  readonly id: string;
  readonly table: 'identity_users' | 'identity_application_credentials';
  /** Null for somebody who cannot log in this way. */
  readonly hash: string | null;
  readonly enabled: 0 | 1;
  readonly failures: number;
  readonly locked_until: string | null;
}

/** Hides whether a failure was written down, which takes MySQL a few milliseconds. */
const PAUSE_MS = 50;

/**
 * Whether this is the secret of what `find` finds, in as much time for somebody who is not there, disabled or locked out.
 * @returns what was found.
 * @throws ApiError 401
 */
export async function checkSecret<T extends Guarded>(
  { db, clock, identity }: CheckParts,
  find: () => Promise<T | undefined>,
  secret: string,
): Promise<T> {
  const { passwords, settings } = identity;
  // All of it in turn: guesses that come together would all be tried before the first is counted.
  const outcome = await passwords.inTurn(async (): Promise<{ found: T } | { pause: Promise<void> }> => {
    const found = await find();
    const right = await passwords.matches(secret, found?.hash ?? null);
    const locked = found?.locked_until != null && sqlTimeToMs(found.locked_until) > clock.now();
    if (found !== undefined && right && !locked && found.enabled === 1) {
      if (found.failures > 0) await forgetFailures(db, found);
      return { found };
    }
    const pause = sleep(PAUSE_MS);
    // Whoever is locked out stays so no longer for trying on.
    if (found !== undefined && !right && !locked)
      await countFailure(db, found, settings.attempts, sqlTime(clock.now() + settings.lockoutMs));
    return { pause };
  });
  if ('found' in outcome) return outcome.found;
  await outcome.pause;
  throw unauthorized();
}

async function forgetFailures(db: Kysely<Tables>, { table, id }: Guarded): Promise<void> {
  await sql`UPDATE ${sql.table(table)} SET failures = 0, locked_until = NULL WHERE id = ${id}`.execute(db);
}

/** The last attempt that is allowed begins the lock-out, and the count begins anew after it. */
async function countFailure(
  db: Kysely<Tables>,
  { table, id }: Guarded,
  attempts: number,
  until: string,
): Promise<void> {
  // The time before the count: MySQL assigns from left to right.
  await sql`UPDATE ${sql.table(table)} SET
    locked_until = IF(failures >= ${attempts - 1}, ${until}, locked_until),
    failures = IF(failures >= ${attempts - 1}, 0, failures + 1)
    WHERE id = ${id}`.execute(db);
}
