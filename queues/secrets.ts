import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Encrypts what must not be readable at rest or in Redis; AES-256-GCM (NIST SP 800-38D), 96-bit random nonce. */
export interface Secrets {
  /** `v1.<base64url of nonce, tag, ciphertext>`; `context` (for example the volume id) must match on decryption. */
  encrypt(plain: string, context: string): string;
  /** @throws Error when the text was made with another key or context, or was changed. */
  decrypt(sealed: string, context: string): string;
  /** A random CHAP secret: 16 characters, the longest every initiator takes (RFC 7143 12.1.3 asks for at least 96 bits). */
  chapSecret(): string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param key 64 hexadecimal characters (`BLOCKYARD_SECRET_KEY`). */
export function createSecrets(key: string): Secrets {
  const bytes = Buffer.from(key, 'hex');
  if (bytes.length !== 32) throw new Error('BLOCKYARD_SECRET_KEY must be 64 hexadecimal characters');
  return {
    encrypt(plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    decrypt(sealed, context) {
      const [version, data] = sealed.split('.');
      if (version !== 'v1' || data === undefined) throw new Error('not an encrypted secret');
      const raw = Buffer.from(data, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', bytes, raw.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(Buffer.from(context))
        .setAuthTag(raw.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return (
        decipher.update(raw.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      );
    },
    chapSecret: () => randomBytes(12).toString('base64url'),
  };
}
