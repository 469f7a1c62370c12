import type { Kysely } from 'kysely';
import { badRequest } from '#api/http/errors.ts';
import type { VolumeTypeId } from '#schema/ids.ts';
import { LUKS_CIPHERS, type Luks, type LuksCipher } from '#schema/luks.ts';
import type { Tables } from '#schema/tables.ts';

/** How volumes of a type are encrypted. */
export type VolumeEncryption = Pick<Luks, 'cipher' | 'keyBits'>;

/**
 * What Cinder's clients send for LUKS: a word, or the class in Nova of old. Who asks for version 2 gets version 1, which is what QEMU
 * has: ciphers and keys are the same, and a passphrase of 256 random bits needs no better key derivation.
 */
const LUKS = new Set([
  'luks',
  'luks2',
  'nova.volume.encryptors.luks.LuksEncryptor',
  'nova.volume.encryptors.luks.Luks2Encryptor',
  'LuksEncryptor',
]);
const DEFAULT_CIPHER: LuksCipher = 'aes-xts-plain64';
const DEFAULT_KEY_BITS = 256;

/**
 * What the type's encryption record asks for; null without one.
 * @throws ApiError 400 for what QEMU cannot do: volumes are never left unencrypted for that.
 */
export async function encryptionOf(db: Kysely<Tables>, type: VolumeTypeId): Promise<VolumeEncryption | null> {
  const record = await db
    .selectFrom('volume_type_encryptions')
    .select(['provider', 'cipher', 'key_size'])
    .where('volume_type_id', '=', type)
    .executeTakeFirst();
  if (record === undefined) return null;
  if (!LUKS.has(record.provider))
    throw badRequest(`The type's encryption provider ${record.provider} is not supported: luks is.`);
  const cipher = Object.keys(LUKS_CIPHERS).find((known) => known === (record.cipher ?? DEFAULT_CIPHER));
  const keyBits = record.key_size ?? DEFAULT_KEY_BITS;
  if (cipher === undefined || !(LUKS_CIPHERS[cipher as LuksCipher] as readonly number[]).includes(keyBits))
    throw badRequest(
      `The type's encryption cipher ${record.cipher} with a key of ${keyBits} bits is not supported.`,
    );
  return { cipher: cipher as LuksCipher, keyBits };
}
