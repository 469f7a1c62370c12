import type { HostName } from '#schema/ids.ts';
import type { AttachmentRow, Facts } from './facts.ts';

/** The disk that one of our compute agents has plugged into a guest for this volume, or null. */
export function pluggedBy(
  facts: Facts,
): { host: HostName; input: { volumeId: string; serverId: string } } | null {
  const mine = (attachment: AttachmentRow): boolean =>
    attachment.managed === 1 &&
    attachment.status === 'attached' &&
    (facts.operation.attachment_id ?? attachment.id) === attachment.id;
  const found = facts.attachments.find(mine);
  if (found?.host == null || found.server_id === null) return null;
  return { host: found.host as HostName, input: { volumeId: facts.volume.id, serverId: found.server_id } };
}
