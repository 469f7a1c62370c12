import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

/** Encrypts what must not be readable at rest or in Redis; AES-256-GCM (NIST SP 800-38D), 96-bit random nonce. */
export interface Secrets {
  /**
   * Sealed with the first key: `v2.<key's id>.<base64url of nonce, tag, ciphertext>`; `context` (for example the volume's
   * id) must match on decryption.
   */
  encrypt(plain: string, context: string): string;
  /** Sealed once with each key, so that a reader who has any of them can open it. */
  encryptForEach(plain: string, context: string): string;
  /** @throws Error when the text was made with a key that isn't here, or another context, or was changed. */
  decrypt(sealed: string, context: string): string;
  /** True when the first key has sealed it, and nothing else. */
  isCurrent(sealed: string): boolean;
  /** A random CHAP secret: 16 characters, the longest every initiator takes (RFC 7143 12.1.3 asks for at least 96 bits). */
  chapSecret(): string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEVERAL = ',';

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

/**
 * @param list keys of 64 hexadecimal characters with commas between (`BLOCKYARD_SECRET_KEY`, `BLOCKYARD_AGENT_KEY`): the first
 * one encrypts, all decrypt.
 */
export function createSecrets(list: string): Secrets {
  const keys = keysOf(list);
  const [first] = keys;
  return {
    encrypt: (plain, context) => seal(first, plain, context),
    encryptForEach: (plain, context) => keys.map((key) => seal(key, plain, context)).join(SEVERAL),
    decrypt(sealed, context) {
      for (const text of sealed.split(SEVERAL)) {
        const [version, id, data] = text.split('.');
        if (version === 'v1' && id !== undefined) return openUnnamed(keys, id, context);
        if (version !== 'v2' || data === undefined) throw new Error('not an encrypted secret');
        const key = keys.find((each) => each.id === id);
        if (key !== undefined) return open(key, data, context);
      }
      throw new Error('the secret is sealed with a key that is not here');
    },
    isCurrent: (sealed) => sealed.startsWith(`v2.${first.id}.`) && !sealed.includes(SEVERAL),
    chapSecret: () => randomBytes(12).toString('base64url'),
  };
}

/**
 * What one agent has instead of the master key: it opens what was sealed for this agent, and signs in its name. One for each
 * master key, in their order.
 * @param agent its queue's name: `storage.<host>` or `compute.<host>`.
 */
export function agentKeys(masterKeys: string, agent: string): string {
  return keysOf(masterKeys)
    .map(({ bytes }) => Buffer.from(hkdfSync('sha256', bytes, '', `agent:${agent}`, 32)).toString('hex'))
    .join(SEVERAL);
}

/** The keys of a process that is that agent: its own, or on a laptop those that it derives from the master keys. */
export function ownKeys(
  env: {
    readonly BLOCKYARD_AGENT_KEY?: string | undefined;
    readonly BLOCKYARD_SECRET_KEY?: string | undefined;
  },
  agent: string,
): string {
  if (env.BLOCKYARD_AGENT_KEY !== undefined) return env.BLOCKYARD_AGENT_KEY;
  if (env.BLOCKYARD_SECRET_KEY === undefined) throw new Error('BLOCKYARD_AGENT_KEY is not set');
  return agentKeys(env.BLOCKYARD_SECRET_KEY, agent);
}

function keysOf(list: string): [Key, ...Key[]] {
  const [first, ...others] = list.split(SEVERAL).map((hex): Key => {
    if (!/^[0-9a-f]{64}$/i.test(hex)) throw new Error('a key must be 64 hexadecimal characters');
    const bytes = Buffer.from(hex, 'hex');
    return { id: createHash('sha256').update('key id').update(bytes).digest('hex').slice(0, 8), bytes };
  });
  return [first as Key, ...others];
}

function seal(key: Key, plain: string, context: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce).setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return `v2.${key.id}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
}

function open(key: Key, data: string, context: string): string {
  const raw = Buffer.from(data, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, raw.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(context))
    .setAuthTag(raw.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return decipher.update(raw.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
}

/** Sealed before keys had ids. */
function openUnnamed(keys: readonly Key[], data: string, context: string): string {
  for (const key of keys) {
    try {
      return open(key, data, context);
    } catch {
      // Another key's, then.
    }
  }
  throw new Error('the secret is sealed with a key that is not here');
}
