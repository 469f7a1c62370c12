/** Cinder's group types on the wire (its API reference, "Group types" and "Group type specs", 3.11). */
import { z } from 'zod';
import { flag, links, printable255, stringMap, text255 } from '#api/http/fields.ts';
import { oneSpec, shownSpecs, specs, typeName } from '../type-fields.ts';

const description = printable255.nullish();

export const createBody = z.strictObject({
  group_type: z.strictObject({
    name: typeName,
    description,
    is_public: flag.optional(),
    group_specs: stringMap.nullish(),
  }),
});
export type NewGroupType = z.output<typeof createBody>['group_type'];

export const updateBody = z.strictObject({
  group_type: z.strictObject({ name: text255.nullish(), description, is_public: flag.optional() }),
});
export type GroupTypeChanges = z.output<typeof updateBody>['group_type'];

const groupType = z.strictObject({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  is_public: z.boolean(),
  group_specs: shownSpecs.optional(),
});
export const groupTypeReply = z.strictObject({ group_type: groupType });
export const groupTypesReply = z.strictObject({
  group_types: z.array(groupType),
  group_type_links: links.optional(),
});

export const specsBody = z.strictObject({ group_specs: specs });
export const specBody = oneSpec;
export const specsReply = z.strictObject({ group_specs: shownSpecs });
export const specReply = shownSpecs;
