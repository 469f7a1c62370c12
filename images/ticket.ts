import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What a ticket lets its bearer do with one image's data. */
export type ImageAction = 'read' | 'write';

/** The HTTP header in which a storage agent shows its ticket to the api. */
export const TICKET_HEADER = 'x-blockyard-image-ticket';

/**
 * A short-lived permission to fetch or store one image's data. Agents and api share BLOCKYARD_SECRET_KEY, so that an agent
 * needs neither an account of its own nor a user's token that may have run out while its task waited.
 * @param expiresAt milliseconds since the epoch
 */
export function imageTicket(
  secretKey: string,
  imageId: string,
  action: ImageAction,
  expiresAt: number,
): string {
  return `${expiresAt}.${mac(secretKey, imageId, action, expiresAt).toString('base64url')}`;
}

/** True for a ticket that allows this and has not run out. */
export function allowsImage(
  secretKey: string,
  ticket: string,
  imageId: string,
  action: ImageAction,
  now: number,
): boolean {
  const [, digits, signature] = /^(\d{1,16})\.([\w-]{43})$/.exec(ticket) ?? [];
  if (digits === undefined || signature === undefined || Number(digits) < now) return false;
  return timingSafeEqual(
    Buffer.from(signature, 'base64url'),
    mac(secretKey, imageId, action, Number(digits)),
  );
}

function mac(secretKey: string, imageId: string, action: ImageAction, expiresAt: number): Buffer {
  const key = Buffer.from(hkdfSync('sha256', Buffer.from(secretKey, 'hex'), '', 'image-ticket', 32));
  return createHmac('sha256', key).update(`${action}\n${imageId}\n${expiresAt}`).digest();
}
