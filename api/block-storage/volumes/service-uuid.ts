import { createHash } from 'node:crypto';
import type { PoolName } from '#schema/ids.ts';

const known = new Map<string, string>();

/**
 * The id of the service that a pool belongs to, where Cinder shows one. Services are known by name here, so it is made of
 * that: a UUID of version 8 (RFC 9562, section 5.8), the same for every volume there.
 * @param pool `host@backend#pool`
 */
export function serviceUuid(pool: PoolName): string {
  const service = pool.split('#', 1)[0] ?? pool;
  let uuid = known.get(service);
  if (uuid === undefined) {
    const hex = createHash('sha256').update(`blockyard-storage ${service}`).digest('hex');
    const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
    uuid = [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `8${hex.slice(13, 16)}`,
      `${variant}${hex.slice(17, 20)}`,
      hex.slice(20, 32),
    ].join('-');
    known.set(service, uuid);
  }
  return uuid;
}
