import type { Kysely, UpdateResult } from 'kysely';
import type { AttachmentId, EncryptionKeyId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { readKeysToBe } from './key-manager/keys-to-be.ts';
import type { Secrets } from './secrets.ts';

export interface Rotation {
  /** How many secrets have been sealed anew. */
  readonly rotated: number;
  /** How many the first key had sealed already. */
  readonly current: number;
  /** Volumes, backups and images with a secret that none of the keys opens. */
  readonly unreadable: readonly string[];
}

const AT_ONCE = 500;

/** Where a sealed secret stands: which row, and the volume, backup or image that it is sealed for. */
interface Place {
  readonly id: string;
  readonly context: string | null;
  readonly secret: string | null;
}

/** One kind of secrets in MySQL. */
interface Kind {
  read(after: string): Promise<Place[]>;
  /** Only if it is still what was read. */
  write(place: Place, sealed: string): Promise<UpdateResult>;
}

/**
 * Seals every secret in MySQL with the first key. Everything may go on meanwhile, and it may be interrupted and begun again:
 * each row is changed by itself, and only if it is still what was read.
 */
export async function rotateSecrets(db: Kysely<Tables>, secrets: Secrets): Promise<Rotation> {
  let [rotated, current] = [0, 0];
  const unreadable: string[] = [];
  for (const kind of [accounts(db), passphrases(db)]) {
    for await (const place of all(kind)) {
      const { context, secret } = place;
      // A volume may go while we look at its key.
      if (secret === null || context === null) continue;
      if (secrets.isCurrent(secret)) {
        current += 1;
        continue;
      }
      let plain: string;
      try {
        plain = secrets.decrypt(secret, context);
      } catch {
        unreadable.push(context);
        continue;
      }
      const { numUpdatedRows } = await kind.write(place, secrets.encrypt(plain, context));
      rotated += Number(numUpdatedRows);
    }
  }
  return { rotated, current, unreadable };
}

async function* all(kind: Kind): AsyncGenerator<Place> {
  for (let after = ''; ; ) {
    const places = await kind.read(after);
    yield* places;
    const last = places.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}

/** CHAP accounts. */
function accounts(db: Kysely<Tables>): Kind {
  return {
    read: (after) =>
      db
        .selectFrom('attachments')
        .select(['id', 'volume_id as context', 'chap_secret as secret'])
        .where('id', '>', after as AttachmentId)
        .orderBy('id')
        .limit(AT_ONCE)
        .execute(),
    write: ({ id, secret }, sealed) =>
      db
        .updateTable('attachments')
        .set({ chap_secret: sealed })
        .where('id', '=', id as AttachmentId)
        .where('chap_secret', '=', secret)
        .executeTakeFirst(),
  };
}

/** What opens encrypted volumes. */
function passphrases(db: Kysely<Tables>): Kind {
  return {
    async read(after) {
      // Before the keys: one that its volume has got meanwhile is found with the volume.
      const keysToBe = await readKeysToBe(db);
      const places = await db
        .selectFrom('encryption_keys')
        .leftJoin('volumes', 'volumes.encryption_key_id', 'encryption_keys.id')
        .leftJoin('backups', 'backups.encryption_key_id', 'encryption_keys.id')
        .leftJoin('images', 'images.encryption_key_id', 'encryption_keys.id')
        .select(({ fn }) => [
          'encryption_keys.id',
          fn.coalesce('volumes.id', 'backups.id', 'images.id').as('context'),
          'secret',
        ])
        .where('encryption_keys.id', '>', after as EncryptionKeyId)
        .orderBy('encryption_keys.id')
        .limit(AT_ONCE)
        .execute();
      return places.map((place) => ({ ...place, context: place.context ?? keysToBe.get(place.id) ?? null }));
    },
    write: ({ id, secret }, sealed) =>
      db
        .updateTable('encryption_keys')
        .set({ secret: sealed })
        .where('id', '=', id as EncryptionKeyId)
        .where('secret', '=', secret ?? '')
        .executeTakeFirst(),
  };
}
