import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { type Clock, sqlTime } from '#schema/clock.ts';
import type { EncryptionKeyId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import type { Secrets } from '../secrets.ts';
import type { Tx } from '../transaction.ts';
import type { KeyManager, KnownKey, NewKey } from './key-manager.ts';

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
  const read = (id: EncryptionKeyId) =>
    db
      .selectFrom('encryption_keys')
      .select(['secret', 'cipher', 'key_bits as keyBits'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
  return {
    create(tx, key) {
      write(tx, key, secrets.encrypt(randomBytes(PASSPHRASE_BYTES).toString('hex'), key.opens));
    },
    async copy(from, to) {
      const { secret, cipher, keyBits } = await read(from.id);
      const sealed = secrets.encrypt(secrets.decrypt(secret, from.opens), to.opens);
      return (tx) => write(tx, { ...to, cipher, keyBits }, sealed);
    },
    async describe(id) {
      const { cipher, keyBits } = await read(id);
      return { cipher, keyBits };
    },
    async same(one, other) {
      const open = async ({ id, opens }: KnownKey) => secrets.decrypt((await read(id)).secret, opens);
      return (await open(one)) === (await open(other));
    },
    hand(tx, id, to) {
      tx.must(tx.q.updateTable('encryption_keys').set({ project_id: to }).where('id', '=', id));
    },
  };
}
