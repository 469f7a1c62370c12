/** Cinder's snapshots on the wire (its API reference, "Volume snapshots (snapshots)"). */
import { z } from 'zod';
import { description255, flag, links, stringMap, text255, time, uuid } from '#api/http/fields.ts';

const name = text255.trim().nullish();
const named = {
  name,
  description: description255,
  display_name: name,
  display_description: description255,
};

const newSnapshot = z.strictObject({
  name,
  display_name: name,
  description: description255,
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
