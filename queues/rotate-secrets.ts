import type { Kysely } from 'kysely';
import type { AttachmentId, VolumeId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import type { Secrets } from './secrets.ts';

export interface Rotation {
  /** How many secrets have been sealed anew. */
  readonly rotated: number;
  /** How many the first key had sealed already. */
  readonly current: number;
  /** Volumes with a secret that none of the keys opens. */
  readonly unreadable: readonly VolumeId[];
}

const AT_ONCE = 500;

/**
 * Seals every secret in MySQL with the first key. Everything may go on meanwhile, and it may be interrupted and begun again:
 * each row is changed by itself, and only if it is still what was read.
 */
export async function rotateSecrets(db: Kysely<Tables>, secrets: Secrets): Promise<Rotation> {
  let [rotated, current] = [0, 0];
  const unreadable: VolumeId[] = [];
  for (let after = '' as AttachmentId; ; ) {
    const rows = await db
      .selectFrom('attachments')
      .select(['id', 'volume_id', 'chap_secret'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(AT_ONCE)
      .execute();
    for (const { id, volume_id, chap_secret } of rows) {
      after = id;
      if (chap_secret === null) continue;
      if (secrets.isCurrent(chap_secret)) {
        current += 1;
        continue;
      }
      let plain: string;
      try {
        plain = secrets.decrypt(chap_secret, volume_id);
      } catch {
        unreadable.push(volume_id);
        continue;
      }
      const { numUpdatedRows } = await db
        .updateTable('attachments')
        .set({ chap_secret: secrets.encrypt(plain, volume_id) })
        .where('id', '=', id)
        .where('chap_secret', '=', chap_secret)
        .executeTakeFirst();
      rotated += Number(numUpdatedRows);
    }
    if (rows.length < AT_ONCE) return { rotated, current, unreadable };
  }
}
