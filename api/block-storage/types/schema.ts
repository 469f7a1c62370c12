/** Cinder's volume types on the wire (its API reference, "Volume types (types)"). */
import { z } from 'zod';
import { flag, keyOf255, links, text255 } from '#api/http/fields.ts';
import { oneSpec, shownSpecs, specs, typeName } from '../type-fields.ts';

const description = text255
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, { error: 'has characters that cannot be printed' })
  .nullish();

const extraSpecs = z.record(keyOf255, text255.nullable());

export const createBody = z.strictObject({
  volume_type: z.strictObject({
    name: typeName,
    description,
    extra_specs: extraSpecs.optional(),
    'os-volume-type-access:is_public': flag.optional(),
  }),
});
export type NewType = z.output<typeof createBody>['volume_type'];

export const updateBody = z.strictObject({
  volume_type: z.strictObject({
    name: text255.min(1, { error: 'is too short' }).nullish(),
    description,
    is_public: flag.optional(),
  }),
});
export type TypeChanges = z.output<typeof updateBody>['volume_type'];

const plain = {
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  is_public: z.boolean(),
  extra_specs: shownSpecs,
};
const type = z.strictObject({
  ...plain,
  'os-volume-type-access:is_public': z.boolean().optional(),
  qos_specs_id: z.string().nullable().optional(),
});
/** Cinder tells less of what it has just made or changed. */
export const createdReply = z.strictObject({
  volume_type: z.strictObject({ ...plain, 'os-volume-type-access:is_public': z.boolean() }),
});
export const updatedReply = z.strictObject({ volume_type: z.strictObject(plain) });
export const typeReply = z.strictObject({ volume_type: type });
export const typesReply = z.strictObject({
  volume_types: z.array(type),
  volume_type_links: links.optional(),
});

export const specsBody = z.strictObject({ extra_specs: specs });
export const specBody = oneSpec;
export const specsReply = z.strictObject({ extra_specs: shownSpecs });
export const specReply = shownSpecs;
