import { createHash } from 'node:crypto';

/** RFC 9562 version 5 in a namespace of ours, so that a volume's secret is found again without a record of it. */
const NAMESPACE = Buffer.from('5f1d6c0ea0b14c7f8f4e6f9b1a7b7a52', 'hex');

/** The UUID of the libvirt secret that holds one volume's CHAP secret on this host. */
export function secretId(volumeId: string): string {
  const hash = createHash('sha1').update(NAMESPACE).update(volumeId).digest().subarray(0, 16);
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
