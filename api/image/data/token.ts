import { createHash } from 'node:crypto';
import type { Ids } from '#schema/ids.ts';

/** What the tokens of one api begin with, so that its next life knows which of them were its own. */
export function markOf(api: string): string {
  return createHash('sha256').update(api).digest('hex').slice(0, 8);
}

/** Names one upload: a UUID but for its beginning. */
export function newToken(api: string, ids: Ids): string {
  return markOf(api) + ids.uuid().slice(8);
}
