import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** What is kept of a transfer's key: nobody can accept with it. */
export interface KeyHash {
  readonly salt: string;
  readonly key_hash: string;
}

/** A new key, shown once, and what is kept of it. */
export function newKey(): KeyHash & { readonly key: string } {
  const key = randomBytes(16).toString('hex');
  const salt = randomBytes(16).toString('hex');
  return { key, salt, key_hash: hash(salt, key).toString('hex') };
}

/** Takes the same time whatever the key. */
export function isKey(kept: KeyHash, key: string): boolean {
  return timingSafeEqual(hash(kept.salt, key), Buffer.from(kept.key_hash, 'hex'));
}

/** One round is enough for a key of 128 random bits. */
function hash(salt: string, key: string): Buffer {
  return createHmac('sha256', salt).update(key).digest();
}
