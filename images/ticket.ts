import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What a ticket lets its bearer do with one image's data. */
export type ImageAction = 'read' | 'write';

/** The HTTP header in which a storage agent shows its ticket to the api. */
export const TICKET_HEADER = 'x-blockyard-image-ticket';

/** What is signed: who may do what, and until when (milliseconds since the epoch). */
interface Permission {
  readonly agent: string;
  readonly imageId: string;
  readonly action: ImageAction;
  readonly expiresAt: number;
}

/**
 * A short-lived permission to fetch or store one image's data, which an agent gives itself: the api can make every agent's key, so
 * an agent needs neither an account there nor a user's token that may have run out while its task waited.
 * @param keys the agent's own (queues/secrets.ts); the first signs.
 * @param agent its queue's name: `storage.<host>`.
 * @param expiresAt milliseconds since the epoch
 */
export function imageTicket(
  keys: string,
  agent: string,
  imageId: string,
  action: ImageAction,
  expiresAt: number,
): string {
  const [first = ''] = keys.split(',');
  const signature = mac(first, { agent, imageId, action, expiresAt });
  return `${expiresAt}.${signature.toString('base64url')}.${agent}`;
}

const TICKET = /^(\d{1,16})\.([\w-]{43})\.(storage\.[A-Za-z0-9._-]{1,119})$/;

/**
 * Who has signed a ticket that allows this and has not run out; null when none has.
 * @param keysOf an agent's keys, each of which may have signed.
 */
export function ticketHolder(
  keysOf: (agent: string) => string,
  ticket: string,
  imageId: string,
  action: ImageAction,
  now: number,
): string | null {
  const [, digits, signature, agent] = TICKET.exec(ticket) ?? [];
  if (digits === undefined || signature === undefined || agent === undefined) return null;
  const expiresAt = Number(digits);
  if (expiresAt < now) return null;
  const shown = Buffer.from(signature, 'base64url');
  const signed = keysOf(agent)
    .split(',')
    .some((key) => timingSafeEqual(shown, mac(key, { agent, imageId, action, expiresAt })));
  return signed ? agent : null;
}

function mac(key: string, { agent, imageId, action, expiresAt }: Permission): Buffer {
  const own = Buffer.from(hkdfSync('sha256', Buffer.from(key, 'hex'), '', 'image-ticket', 32));
  return createHmac('sha256', own).update(`${agent}\n${action}\n${imageId}\n${expiresAt}`).digest();
}
