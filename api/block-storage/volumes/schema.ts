/** Cinder's volumes on the wire (its API reference, "Volumes (volumes)" and "Volume actions"). */
import { z } from 'zod';
import {
  flag,
  links,
  newSizeGib,
  sizeGib,
  stringMap,
  text255,
  time,
  trimmed255,
  uuid,
} from '#api/http/fields.ts';

const NO_SCHEMA = 'is not valid under any of the given schemas';
const isSet = (items: readonly string[]): boolean => new Set(items).size === items.length;

const named = {
  name: trimmed255.nullish(),
  description: trimmed255.nullish(),
  display_name: trimmed255.nullish(),
  display_description: trimmed255.nullish(),
};

const newVolume = z.looseObject({
  ...named,
  size: newSizeGib.nullish(),
  volume_type: text255.nullish(),
  metadata: stringMap.nullish(),
  availability_zone: text255.min(1, { error: 'is too short' }).nullish(),
  multiattach: flag.nullish(),
  snapshot_id: uuid.nullish(),
  source_volid: uuid.nullish(),
  consistencygroup_id: uuid.nullish(),
  group_id: text255.nullish(),
  backup_id: uuid.nullish(),
  image_id: text255.nullish(),
  imageRef: text255.nullish(),
});
export type NewVolume = z.output<typeof newVolume>;

const hosts = z.union([uuid, z.array(uuid).refine(isSet)], { error: NO_SCHEMA });
/** Looked at, and left to schedulers that would follow them: Cinder's own does so only where it is told to. */
const schedulerHints = z.looseObject({
  local_to_instance: z.union([z.null(), uuid], { error: NO_SCHEMA }).optional(),
  different_host: hosts.optional(),
  same_host: hosts.optional(),
  query: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
});

export const createBody = z.strictObject({
  volume: newVolume,
  'OS-SCH-HNT:scheduler_hints': schedulerHints.nullish(),
});

const changes = z.strictObject({ ...named, metadata: stringMap.optional() });
export const updateBody = z.strictObject({ volume: changes });

const attachment = z.strictObject({
  id: z.string(),
  attachment_id: z.string(),
  volume_id: z.string(),
  server_id: z.string().nullable(),
  host_name: z.string().nullable(),
  device: z.string().nullable(),
  attached_at: time.nullable(),
});

const volume = z.strictObject({
  id: z.string(),
  status: z.string(),
  size: z.int(),
  availability_zone: z.string(),
  created_at: time,
  updated_at: time.nullable(),
  name: z.string().nullable(),
  description: z.string().nullable(),
  volume_type: z.string().nullable(),
  snapshot_id: z.string().nullable(),
  source_volid: z.string().nullable(),
  volume_image_metadata: z.record(z.string(), z.string()).optional(),
  metadata: z.record(z.string(), z.string()),
  links,
  user_id: z.string(),
  bootable: z.enum(['true', 'false']),
  encrypted: z.boolean(),
  encryption_key_id: z.string().optional(),
  replication_status: z.null(),
  consistencygroup_id: z.null(),
  multiattach: z.boolean(),
  attachments: z.array(attachment),
  'os-vol-tenant-attr:tenant_id': z.string().optional(),
  migration_status: z.string().nullable().optional(),
  'os-vol-host-attr:host': z.string().nullable().optional(),
  'os-vol-mig-status-attr:migstat': z.string().nullable().optional(),
  'os-vol-mig-status-attr:name_id': z.null().optional(),
  group_id: z.string().nullable().optional(),
  provider_id: z.null().optional(),
  shared_targets: z.literal(false).optional(),
  service_uuid: z.string().nullable().optional(),
  cluster_name: z.null().optional(),
  volume_type_id: z.string().nullable().optional(),
  consumes_quota: z.literal(true).optional(),
});
export const volumeReply = z.strictObject({ volume });

const listed = { volumes_links: links.optional(), count: z.int().optional() };
export const volumesReply = z.strictObject({
  volumes: z.array(z.strictObject({ id: z.string(), name: z.string().nullable(), links })),
  ...listed,
});
export const volumesDetailReply = z.strictObject({ volumes: z.array(volume), ...listed });
export const summaryReply = z.strictObject({
  'volume-summary': z.strictObject({
    total_count: z.int(),
    total_size: z.int(),
    metadata: z.record(z.string(), z.array(z.string())).optional(),
  }),
});

export const metadataBody = z.strictObject({ metadata: stringMap });
export const metadataReply = z.strictObject({ metadata: z.record(z.string(), z.string()) });
export const metaBody = z.strictObject({
  meta: stringMap.refine((meta) => Object.keys(meta).length === 1, {
    error: 'must have exactly one property',
  }),
});
export const metaReply = z.strictObject({ meta: z.record(z.string(), z.string()) });

export const extendBody = z.strictObject({ 'os-extend': z.strictObject({ new_size: sizeGib }) });
export const resetStatusBody = z.strictObject({
  'os-reset_status': z.strictObject({
    status: z.string().nullish(),
    attach_status: z.string().nullish(),
    migration_status: z.string().nullish(),
  }),
});
export const extendCompletionBody = z.strictObject({
  'os-extend_volume_completion': z.strictObject({ error: z.union([z.string(), z.boolean()]).nullish() }),
});
export const forceDeleteBody = z.strictObject({ 'os-force_delete': z.unknown() });
/** The connector, which Cinder's driver would need, is known here. */
export const forceDetachBody = z.strictObject({
  'os-force_detach': z
    .strictObject({
      attachment_id: uuid.nullish(),
      connector: z.union([z.string(), z.looseObject({})]).nullish(),
    })
    .nullable(),
});
