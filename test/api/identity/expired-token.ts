import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const HEAD_BYTES = 9;
const IV_BYTES = 16;
const MAC_BYTES = 32;
/** MessagePack's mark of a 64-bit floating-point number. */
const FLOAT64 = 0xcb;

/**
 * A token as Keystone would have given it out long ago: what it gave out just now, in the form of Fernet tokens
 * (github.com/fernet/spec) with the time of its end, which their MessagePack holds in seconds since the epoch, moved into the past.
 * @param key of Keystone's key repository, the one that it signs with.
 */
export function expiredToken(token: string, key: string, agoSeconds: number): string {
  const secret = Buffer.from(key, 'base64url');
  const [signing, encryption] = [secret.subarray(0, 16), secret.subarray(16)];
  const given = Buffer.from(token, 'base64url');
  const iv = given.subarray(HEAD_BYTES, HEAD_BYTES + IV_BYTES);
  const decipher = createDecipheriv('aes-128-cbc', encryption, iv);
  const sealed = given.subarray(HEAD_BYTES + IV_BYTES, -MAC_BYTES);
  const payload = Buffer.concat([decipher.update(sealed), decipher.final()]);
  const issued = Number(given.readBigUInt64BE(1));
  let moved = 0;
  for (let at = 0; at + 9 <= payload.length; at += 1) {
    if (payload[at] !== FLOAT64 || Math.abs(payload.readDoubleBE(at + 1) - issued) > 2 * 86_400) continue;
    moved = payload.readDoubleBE(at + 1) - (issued - agoSeconds);
    payload.writeDoubleBE(issued - agoSeconds, at + 1);
    break;
  }
  if (moved <= 0) throw new Error('no time of its end was found in the token');
  const head = Buffer.alloc(HEAD_BYTES, 0x80);
  head.writeBigUInt64BE(BigInt(Math.floor(issued - moved)), 1);
  const newIv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-128-cbc', encryption, newIv);
  const body = Buffer.concat([head, newIv, cipher.update(payload), cipher.final()]);
  const mac = createHmac('sha256', signing).update(body).digest();
  return Buffer.concat([body, mac]).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
