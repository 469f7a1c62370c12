import type { Kysely, Transaction } from 'kysely';
import { transact } from '#queues/database.ts';
import type { Clock } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import { Directory } from './directory.ts';
import { Passwords } from './passwords.ts';
import { createTokenFormat, type TokenFormat } from './token-format.ts';

export interface IdentitySettings {
  /** How long a token is good for. */
  readonly tokenMs: number;
  /** So many wrong passwords in a row lock a user out… */
  readonly attempts: number;
  /** …for so long. */
  readonly lockoutMs: number;
}

const DEFAULT_IDENTITY_SETTINGS: IdentitySettings = {
  tokenMs: 8 * 3_600_000,
  attempts: 10,
  lockoutMs: 5 * 60_000,
};

/** The api as its own identity service. */
export interface BuiltinIdentity {
  readonly settings: IdentitySettings;
  readonly passwords: Passwords;
  readonly format: TokenFormat;
  readonly directory: Directory;
  /** Carries out a change in one transaction, after which this api sees it at once and the others within a second. */
  change<T>(work: (trx: Transaction<Tables>) => Promise<T>): Promise<T>;
}

/** @param masterKeys `BLOCKYARD_SECRET_KEY`. */
export function createBuiltinIdentity(options: {
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
  readonly masterKeys: string;
  readonly settings?: Partial<IdentitySettings>;
}): BuiltinIdentity {
  const { db, clock, masterKeys } = options;
  const format = createTokenFormat(masterKeys);
  const directory = new Directory(db, format, clock);
  return {
    settings: { ...DEFAULT_IDENTITY_SETTINGS, ...options.settings },
    passwords: new Passwords(),
    format,
    directory,
    async change(work) {
      const result = await transact(db, async (trx) => {
        const done = await work(trx);
        // Last, because all changes meet in this row.
        await countUp(trx);
        return done;
      });
      await directory.changed();
      return result;
    },
  };
}

async function countUp(trx: Transaction<Tables>): Promise<void> {
  await trx
    .updateTable('identity_generation')
    .set((eb) => ({ generation: eb('generation', '+', 1) }))
    .execute();
}
