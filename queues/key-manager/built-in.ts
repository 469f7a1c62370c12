import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import type { Secrets } from '../secrets.ts';
import type { Tx } from '../transaction.ts';
import type { KeyManager, NewKey } from './key-manager.ts';

/** LUKS makes the cipher's own key itself; this only has to be beyond guessing. */
const PASSPHRASE_BYTES = 32;

interface Parts {
  readonly db: Kysely<Tables>;
  readonly secrets: Secrets;
  readonly clock: Clock;
}

/** Keys in MySQL, sealed with the master key like CHAP secrets: with the id of what they open as context. */
export function createBuiltInKeyManager({ db, secrets, clock }: Parts): KeyManager {
  const write = (tx: Tx, { id, projectId, cipher, keyBits }: Omit<NewKey, 'opens'>, secret: string): void =>
    tx.later(
      tx.q.insertInto('encryption_keys').values({
        id,
        project_id: projectId,
        secret,
        cipher,
        key_bits: keyBits,
        created_at: sqlTime(clock.now()),
      }),
    );
  return {
    create(tx, key) {
      write(tx, key, secrets.encrypt(randomBytes(PASSPHRASE_BYTES).toString('hex'), key.opens));
    },
    async copy(from, to) {
      const {
        secret,
        cipher,
        key_bits: keyBits,
      } = await db
        .selectFrom('encryption_keys')
        .select(['secret', 'cipher', 'key_bits'])
        .where('id', '=', from.id)
        .executeTakeFirstOrThrow();
      const sealed = secrets.encrypt(secrets.decrypt(secret, from.opens), to.opens);
      return (tx) => write(tx, { ...to, cipher, keyBits }, sealed);
    },
    hand(tx, id, to) {
      tx.must(tx.q.updateTable('encryption_keys').set({ project_id: to }).where('id', '=', id));
    },
  };
}
