/** Cinder's generic volume groups on the wire (its API reference, "Generic volume groups", 3.13). */
import { z } from 'zod';
import { description255 as description, flag, links, text255, time, uuid } from '#api/http/fields.ts';

const name = text255.trim().nullish();
/** Ids with commas between. */
const volumeList = z
  .string()
  .max(65_535, { error: 'is too long' })
  .transform((text) =>
    text
      .split(',')
      .map((id) => id.trim().toLowerCase())
      .filter((id) => id !== ''),
  )
  .nullish();

export const createBody = z.strictObject({
  group: z.strictObject({
    name,
    description,
    group_type: text255.refine((text) => text.trim() !== '', {
      error: 'group_type has 0 characters, but must have at least 1',
    }),
    volume_types: z
      .array(text255)
      .min(1, { error: 'is too short' })
      .max(200, { error: 'is too long' })
      .refine((types) => new Set(types).size === types.length, { error: 'has non-unique elements' }),
    availability_zone: text255.min(1, { error: 'is too short' }).nullish(),
  }),
});
export type NewGroup = z.output<typeof createBody>['group'];

const fromSource = z
  .strictObject({ name, description, source_group_id: uuid.optional(), group_snapshot_id: uuid.optional() })
  .refine((body) => body.source_group_id !== undefined || body.group_snapshot_id !== undefined, {
    error: 'is not valid under any of the given schemas',
  })
  .refine((body) => body.source_group_id === undefined || body.group_snapshot_id === undefined, {
    error: "is valid under each of {'required': ['source_group_id']}, {'required': ['group_snapshot_id']}",
  });
export type NewGroupFromSource = z.output<typeof fromSource>;
export const createFromSourceBody = z.strictObject({ 'create-from-src': fromSource });

export const updateBody = z.strictObject({
  group: z
    .strictObject({ name, description, add_volumes: volumeList, remove_volumes: volumeList })
    .refine((group) => Object.keys(group).length > 0, {
      error: 'is not valid under any of the given schemas',
    }),
});
export type GroupChanges = z.output<typeof updateBody>['group'];

export const deleteBody = z.strictObject({ delete: z.strictObject({ 'delete-volumes': flag.optional() }) });
export const resetStatusBody = z.strictObject({ reset_status: z.strictObject({ status: z.string() }) });

const empty = z.looseObject({});
export const enableReplicationBody = z.strictObject({ enable_replication: empty });
export const disableReplicationBody = z.strictObject({ disable_replication: empty });
export const failoverReplicationBody = z.strictObject({
  failover_replication: z.strictObject({
    allow_attached_volume: flag.optional(),
    secondary_backend_id: z.string().nullish(),
  }),
});
export const listReplicationTargetsBody = z.strictObject({ list_replication_targets: empty });

const summary = z.strictObject({ id: z.string(), name: z.string().nullable() });
const detail = z.strictObject({
  ...summary.shape,
  status: z.string(),
  availability_zone: z.string(),
  created_at: time,
  description: z.string().nullable(),
  group_type: z.string(),
  volume_types: z.array(z.string()),
  group_snapshot_id: z.string().nullable().optional(),
  source_group_id: z.string().nullable().optional(),
  volumes: z.array(z.string()).optional(),
  replication_status: z.literal('disabled').optional(),
  project_id: z.string().optional(),
});
export const createdReply = z.strictObject({ group: summary });
export const groupReply = z.strictObject({ group: detail });
export const groupsReply = z.strictObject({ groups: z.array(summary), group_links: links.optional() });
export const groupsDetailReply = z.strictObject({ groups: z.array(detail), group_links: links.optional() });
