/** Cinder's snapshots on the wire (its API reference, "Volume snapshots (snapshots)"). */
import { z } from 'zod';
import { flag, links, stringMap, time, trimmed255, uuid } from '#api/http/fields.ts';

const named = {
  name: trimmed255.nullish(),
  description: trimmed255.nullish(),
  display_name: trimmed255.nullish(),
  display_description: trimmed255.nullish(),
};

const newSnapshot = z.strictObject({
  name: trimmed255.nullish(),
  display_name: trimmed255.nullish(),
  description: trimmed255.nullish(),
  volume_id: uuid.nullable(),
  metadata: stringMap.nullish(),
  force: flag.optional(),
});
export type NewSnapshot = z.output<typeof newSnapshot>;

export const createBody = z.strictObject({ snapshot: newSnapshot });
export const updateBody = z.strictObject({ snapshot: z.strictObject(named) });

const summary = {
  id: z.string(),
  name: z.string().nullable(),
  description: z.string().nullable(),
  volume_id: z.string(),
  status: z.string(),
  size: z.int(),
  metadata: z.record(z.string(), z.string()),
  created_at: time,
  updated_at: time.nullable(),
};
const full = {
  ...summary,
  group_snapshot_id: z.string().nullable().optional(),
  user_id: z.string().optional(),
  consumes_quota: z.literal(true).optional(),
};
const detail = z.strictObject({
  ...full,
  'os-extended-snapshot-attributes:project_id': z.string(),
  'os-extended-snapshot-attributes:progress': z.string(),
});
const listed = { snapshots_links: links.optional(), count: z.int().optional() };

/** What creating and updating answer. */
export const plainReply = z.strictObject({ snapshot: z.strictObject(full) });
export const snapshotReply = z.strictObject({ snapshot: detail });
export const snapshotsReply = z.strictObject({ snapshots: z.array(z.strictObject(summary)), ...listed });
export const snapshotsDetailReply = z.strictObject({ snapshots: z.array(detail), ...listed });

export const forceDeleteBody = z.strictObject({ 'os-force_delete': z.unknown() });
export const updateStatusBody = z.strictObject({
  'os-update_snapshot_status': z.strictObject({ status: z.string(), progress: z.string().nullish() }),
});
export const resetStatusBody = z.strictObject({ 'os-reset_status': z.strictObject({ status: z.string() }) });
