import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/** What a token says of itself; everything else (names, roles) is looked up. */
const claims = z.strictObject({
  user: z.string(),
  /** The user's epoch when it was given out. */
  epoch: z.int(),
  /** Milliseconds since the epoch. */
  issued: z.int(),
  expires: z.int(),
  /** Its own audit id, then the one of the token that it was got with. */
  audit: z.array(z.string()).min(1).max(2),
  methods: z.array(z.enum(['password', 'token', 'application_credential'])),
  /** Null: unscoped. */
  scope: z.tuple([z.enum(['project', 'domain', 'system']), z.string()]).nullable(),
  /** The application credential that it was got with; the token is good for no more than that is, and as long as it is there. */
  credential: z.string().optional(),
});
export type Claims = z.infer<typeof claims>;

/** Signs tokens: `base64url(claims as JSON).base64url(HMAC-SHA-256)`. */
export interface TokenFormat {
  seal(claims: Claims): string;
  /** @returns undefined for what none of the keys has signed. It may have expired. */
  open(token: string): Claims | undefined;
}

const LONGEST = 2_048;

/** @param masterKeys `BLOCKYARD_SECRET_KEY`: the first key signs, all verify. */
export function createTokenFormat(masterKeys: string): TokenFormat {
  const keys = masterKeys
    .split(',')
    .map((hex) => Buffer.from(hkdfSync('sha256', Buffer.from(hex, 'hex'), '', 'identity tokens', 32)));
  const [first] = keys;
  if (first === undefined) throw new Error('there is no key');
  return {
    seal(content) {
      const text = Buffer.from(JSON.stringify(content)).toString('base64url');
      return `${text}.${sign(first, text).toString('base64url')}`;
    },
    open(token) {
      const [text, signature, ...rest] = token.length > LONGEST ? [] : token.split('.');
      if (text === undefined || signature === undefined || rest.length > 0) return undefined;
      const given = Buffer.from(signature, 'base64url');
      const known = keys.some((key) => {
        const expected = sign(key, text);
        return expected.length === given.length && timingSafeEqual(expected, given);
      });
      if (!known) return undefined;
      return claims.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
    },
  };
}

/** 16 random bytes in Keystone's form, which may be shown where a token may not. */
export function newAuditId(): string {
  return randomBytes(16).toString('base64url');
}

const sign = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
