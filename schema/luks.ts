/**
 * Encryption of volumes with LUKS version 1, the format that QEMU reads and writes by itself.
 * Source: LUKS On-Disk Format Specification 1.2.3; QEMU, docs/system/secrets and qemu-img(1), "luks".
 */
import { z } from 'zod';

/**
 * Ciphers by the names that dm-crypt and Cinder give them, with the lengths of key that each takes, in bits. Of 192 bits QEMU 7.2
 * dies.
 */
export const LUKS_CIPHERS = {
  'aes-xts-plain64': [256, 512],
  'aes-cbc-essiv:sha256': [128, 256],
  'aes-cbc-plain64': [128, 256],
} as const;
export type LuksCipher = keyof typeof LUKS_CIPHERS;

/** How one volume is encrypted. The passphrase is sealed like a CHAP secret. */
export const luks = z.strictObject({
  secret: z.string(),
  cipher: z.enum(Object.keys(LUKS_CIPHERS) as [LuksCipher, ...LuksCipher[]]),
  /** As dm-crypt counts: XTS takes two keys, so 256 is AES-128. */
  keyBits: z.number().int().positive(),
});
export type Luks = z.infer<typeof luks>;

const SECTOR_BYTES = 512;
const KEY_SLOTS = 8;
/** A key lies spread over as many times its own length, so that it can be wiped. */
const STRIPES = 4_000;
const SECTORS_ALIGNED = 8;

/** Bytes of a volume that its header takes: so much smaller is the disk that a guest sees. */
export function luksHeaderBytes({ keyBits }: Pick<Luks, 'keyBits'>): number {
  const slot = Math.ceil(((keyBits / 8) * STRIPES) / SECTOR_BYTES / SECTORS_ALIGNED) * SECTORS_ALIGNED;
  return (SECTORS_ALIGNED + KEY_SLOTS * slot) * SECTOR_BYTES;
}
