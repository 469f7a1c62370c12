/** Glance's images on the wire (its API reference, "Images" v2). */
import { z } from 'zod';
import { text255, upTo } from '#api/http/fields.ts';
import { DISK_FORMATS } from '#schema/tasks.ts';

export const VISIBILITIES = ['public', 'private', 'shared', 'community'] as const;
/** Glance's; none of them changes what is done with the data. */
export const CONTAINER_FORMATS = ['bare', 'ovf', 'ova', 'docker', 'ami', 'ari', 'aki', 'compressed'] as const;

export const MAX_TAGS = 128;
export const MAX_PROPERTIES = 128;

export const tag = text255;
const tags = z
  .array(tag)
  .transform((list) => [...new Set(list)])
  .refine((list) => list.length <= MAX_TAGS, { error: `has more than ${MAX_TAGS} tags` });

const count = z.int().min(0).max(2_147_483_647);

/** What a client may say about an image, and each field's own check. */
export const FIELDS = {
  name: text255.nullable(),
  visibility: z.enum(VISIBILITIES, { error: `is not one of ${VISIBILITIES.join(', ')}` }),
  container_format: z
    .enum(CONTAINER_FORMATS, { error: `is not one of ${CONTAINER_FORMATS.join(', ')}` })
    .nullable(),
  disk_format: z.enum(DISK_FORMATS, { error: `is not one of ${DISK_FORMATS.join(', ')}` }).nullable(),
  min_disk: count,
  min_ram: count,
  protected: z.boolean(),
  os_hidden: z.boolean(),
  tags,
  owner: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: 'is not the id of a project' }),
} as const;
export type FieldName = keyof typeof FIELDS;

/** What only we say about an image. */
export const READ_ONLY: ReadonlySet<string> = new Set([
  'status',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'direct_url',
  'locations',
  'stores',
  // A key's name in a user's hand would be a wish for somebody's key.
  'cinder_encryption_key_id',
  'cinder_encryption_key_deletion_policy',
]);

/** A user's own property. */
export const propertyName = text255.regex(/^[\x21-\x7e]+$/, { error: 'is not a name of a property' });
export const propertyValue = z
  .string()
  .refine(upTo(4_096), { error: 'is too long' })
  .meta({ maxLength: 4_096 });

export const createBody = z.looseObject({
  id: z.uuid({ error: "is not a 'uuid'" }).optional(),
  ...(Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field.optional()])) as {
    readonly [N in FieldName]: z.ZodOptional<(typeof FIELDS)[N]>;
  }),
});
export type NewImage = z.output<typeof createBody>;

export const patchBody = z.array(
  z.strictObject({
    op: z.enum(['add', 'replace', 'remove'], { error: 'is not one of add, replace, remove' }),
    path: z.string().regex(/^\/[^/]+$/, { error: 'is not the path of a property' }),
    value: z.unknown().optional(),
  }),
);
export type Patch = z.output<typeof patchBody>;

const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

export const image = z.looseObject({
  id: z.string(),
  name: z.string().nullable(),
  status: z.string(),
  visibility: z.enum(VISIBILITIES),
  owner: z.string(),
  container_format: z.string().nullable(),
  disk_format: z.string().nullable(),
  size: z.number().nullable(),
  virtual_size: z.number().nullable(),
  min_disk: z.int(),
  min_ram: z.int(),
  protected: z.boolean(),
  os_hidden: z.boolean(),
  checksum: z.string().nullable(),
  os_hash_algo: z.string().nullable(),
  os_hash_value: z.string().nullable(),
  tags: z.array(z.string()),
  created_at: time,
  updated_at: time,
  self: z.string(),
  file: z.string(),
  schema: z.string(),
});

export const imagesReply = z.strictObject({
  images: z.array(image),
  schema: z.string(),
  first: z.string(),
  next: z.string().optional(),
});
