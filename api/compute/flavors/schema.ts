/** Nova's flavors on the wire (its API reference, "Flavors"). */
import { z } from 'zod';
import { flag, links, novaDescription, novaName, text255 } from '#api/http/fields.ts';

const whole = (min: number) =>
  z
    .union([z.int().min(min).max(2_147_483_647), z.string().regex(/^\d{1,10}$/)], {
      error: `is not an integer from ${min} to 2147483647`,
    })
    .transform(Number)
    .refine((value) => value >= min && value <= 2_147_483_647, {
      error: `is not an integer from ${min} to 2147483647`,
    });

/** Nova's: it stands in paths. */
const flavorId = z.union([z.int().nonnegative(), z.string().regex(/^[a-zA-Z0-9_. -]{1,255}$/)], {
  error: 'can only contain [a-zA-Z0-9_.- ]',
});
const nothing = z.union([z.literal(0), z.literal('0'), z.literal('')], {
  error: 'must be 0: servers have no disk but volumes',
});

export const createBody = z.strictObject({
  flavor: z.strictObject({
    name: novaName,
    id: flavorId.transform((id) => String(id).trim()).nullish(),
    vcpus: whole(1),
    ram: whole(1),
    disk: whole(0),
    swap: nothing.optional(),
    'OS-FLV-EXT-DATA:ephemeral': nothing.optional(),
    rxtx_factor: z.unknown().optional(),
    'os-flavor-access:is_public': flag.optional(),
    description: novaDescription.nullish(),
  }),
});

const specKey = z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/, { error: 'is not a name of an extra spec' });
const specValue = z.union([text255, z.number().transform(String), z.boolean().transform(String)]);
export const extraSpecsBody = z.strictObject({ extra_specs: z.record(specKey, specValue) });

const specs = z.record(z.string(), z.string());
const summary = z.strictObject({
  id: z.string(),
  name: z.string(),
  links,
  description: z.string().nullable().optional(),
});
const detail = z.strictObject({
  ...summary.shape,
  vcpus: z.int(),
  ram: z.int(),
  disk: z.int(),
  swap: z.union([z.literal(''), z.literal(0)]),
  rxtx_factor: z.number(),
  'OS-FLV-EXT-DATA:ephemeral': z.literal(0),
  'OS-FLV-DISABLED:disabled': z.literal(false),
  'os-flavor-access:is_public': z.boolean(),
  extra_specs: specs.optional(),
});
const pages = { flavors_links: links.optional() };

export const flavorsReply = z.strictObject({ flavors: z.array(summary), ...pages });
export const flavorsDetailReply = z.strictObject({ flavors: z.array(detail), ...pages });
export const flavorReply = z.strictObject({ flavor: detail });
export const extraSpecsReply = z.strictObject({ extra_specs: specs });
