import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import type { Secrets } from '../secrets.ts';
import type { KeyManager } from './key-manager.ts';

/** LUKS makes the cipher's own key itself; this only has to be beyond guessing. */
const PASSPHRASE_BYTES = 32;

interface Parts {
  readonly db: Kysely<Tables>;
  readonly secrets: Secrets;
  readonly clock: Clock;
}

/** Keys in MySQL, sealed with the master key like CHAP secrets: with the id of what they open as context. */
export function createBuiltInKeyManager({ db, secrets, clock }: Parts): KeyManager {
  return {
    create(tx, { id, projectId, opens, cipher, keyBits }) {
      const passphrase = randomBytes(PASSPHRASE_BYTES).toString('hex');
      tx.later(
        tx.q.insertInto('encryption_keys').values({
          id,
          project_id: projectId,
          secret: secrets.encrypt(passphrase, opens),
          cipher,
          key_bits: keyBits,
          created_at: sqlTime(clock.now()),
        }),
      );
    },
    async copy(from, { id, projectId, opens }) {
      const { secret, cipher, key_bits } = await db
        .selectFrom('encryption_keys')
        .select(['secret', 'cipher', 'key_bits'])
        .where('id', '=', from.id)
        .executeTakeFirstOrThrow();
      const sealed = secrets.encrypt(secrets.decrypt(secret, from.opens), opens);
      return (tx) =>
        tx.later(
          tx.q.insertInto('encryption_keys').values({
            id,
            project_id: projectId,
            secret: sealed,
            cipher,
            key_bits,
            created_at: sqlTime(clock.now()),
          }),
        );
    },
  };
}
