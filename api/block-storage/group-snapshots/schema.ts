/** Cinder's group snapshots on the wire (its API reference, "Group snapshots", 3.14). */
import { z } from 'zod';
import { links, printable255, text255, time, uuid } from '#api/http/fields.ts';

const description = printable255.nullish();

export const createBody = z.strictObject({
  group_snapshot: z.strictObject({ group_id: uuid, name: text255.nullish(), description }),
});
export type NewGroupSnapshot = z.output<typeof createBody>['group_snapshot'];

export const resetStatusBody = z.strictObject({ reset_status: z.strictObject({ status: z.string() }) });

const listed = z.strictObject({ id: z.string(), name: z.string().nullable() });
const detail = z.strictObject({
  ...listed.shape,
  group_id: z.string(),
  group_type_id: z.string(),
  status: z.string(),
  created_at: time,
  description: z.string().nullable(),
  project_id: z.string().optional(),
});
export const createdReply = z.strictObject({
  group_snapshot: z.strictObject({ ...listed.shape, group_type_id: z.string() }),
});
export const groupSnapshotReply = z.strictObject({ group_snapshot: detail });
export const groupSnapshotsReply = z.strictObject({
  group_snapshots: z.array(listed),
  group_snapshot_links: links.optional(),
});
export const groupSnapshotsDetailReply = z.strictObject({
  group_snapshots: z.array(detail),
  group_snapshot_links: links.optional(),
});
