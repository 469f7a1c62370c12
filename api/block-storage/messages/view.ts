import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { isoTime, links, time } from '#api/http/fields.ts';
import { asSeenBy } from '#api/http/places.ts';
import type { Waiting } from '../operations/waiting.ts';
import { eventId, eventOf, eventWords } from './events.ts';
import type { MessageRow } from './rows.ts';

/** Operations are kept, but the field is part of Cinder's view; this is its default of 30 days. */
const KEPT_MS = 30 * 24 * 3_600_000;

export const message = z.strictObject({
  id: z.string(),
  event_id: z.string(),
  user_message: z.string(),
  message_level: z.enum(['ERROR', 'INFO']),
  resource_type: z.enum(['VOLUME', 'VOLUME_SNAPSHOT', 'VOLUME_BACKUP']),
  resource_uuid: z.string(),
  request_id: z.string(),
  created_at: time,
  guaranteed_until: time,
  links,
});

/**
 * Cinder's words, and after them what we know besides.
 * @param failed where and by what command, when that is known
 */
export function messageView(
  context: RequestContext,
  row: MessageRow,
  failed: string | undefined,
  waits: Waiting | undefined,
): z.output<typeof message> {
  const created = isoTime(row.created_at);
  const until = new Date(Date.parse(`${created.slice(0, 23)}Z`) + KEPT_MS).toISOString();
  const event = eventOf(row);
  return {
    id: row.id,
    event_id: eventId(event),
    user_message: `${eventWords(event)} ${asSeenBy(context.caller, waits === undefined ? failure(row, failed) : patience(row, waits))}`,
    message_level: waits === undefined ? 'ERROR' : 'INFO',
    resource_type: event.resource,
    resource_uuid: resourceOf(row),
    request_id: row.request_id,
    created_at: created,
    guaranteed_until: `${until.slice(0, 23)}000`,
    links: [
      { rel: 'self', href: `${context.selfUrl}/messages/${row.id}` },
      { rel: 'bookmark', href: `${context.bookmarkUrl}/messages/${row.id}` },
      // Ours: its whole timeline.
      { rel: 'operation', href: `${context.selfUrl}/operations/${row.id}` },
    ],
  };
}

function failure({ kind, state, error }: MessageRow, failed: string | undefined): string {
  const handed = state === 'stuck' ? ', handed to an administrator' : '';
  return `${kind}${handed}: ${error ?? ''}${failed === undefined ? '' : ` (${failed})`}`;
}

function patience({ kind }: MessageRow, { since, reason }: Waiting): string {
  return `${kind} waits since ${since.slice(0, 19)} UTC and goes on by itself: ${reason}`;
}

/** As in Cinder a restore is the backup's matter, and not that of the volume that is written over. */
function resourceOf({ kind, input, backup_id, volume_id }: MessageRow): string {
  const { snapshotId, backupId } = JSON.parse(input) as { snapshotId?: string; backupId?: string };
  if (kind.startsWith('snapshot.')) return snapshotId ?? volume_id;
  return (kind === 'backup.restore' ? backupId : backup_id) ?? volume_id;
}
