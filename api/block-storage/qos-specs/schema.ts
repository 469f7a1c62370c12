/** Cinder's QoS specs on the wire (its API reference, "Quality of service (QoS) specifications (qos-specs)"). */
import { z } from 'zod';
import { keyOf255, links, text255, upTo } from '#api/http/fields.ts';

const consumer = z.enum(['front-end', 'back-end', 'both'], {
  error: "Valid consumer of QoS specs are: ['front-end', 'back-end', 'both']",
});

/** Text as Cinder keeps it; whole numbers are taken as their digits. */
const value = z.union([text255, z.int().transform(String)], { error: 'is not a string' });

const name = z
  .string()
  .trim()
  .min(1, { error: "The 'name' can not be empty." })
  .refine(upTo(255), { error: "The 'name' can not be greater than 255 characters." })
  .meta({ maxLength: 255 });

export const createBody = z.strictObject({
  qos_specs: z.object({ name, consumer: consumer.optional() }).catchall(value).check(cleanKeys()),
});
export const updateBody = z.strictObject({
  qos_specs: z.object({ consumer: consumer.optional() }).catchall(value).check(cleanKeys()),
});
export const unsetBody = z.strictObject({
  keys: z
    .array(text255.min(1, { error: 'is too short' }))
    .refine((keys) => new Set(keys).size === keys.length, { error: 'has non-unique elements' }),
});

function cleanKeys() {
  return z.check<Record<string, unknown>>((context) => {
    const wrong = Object.keys(context.value).find((key) => !keyOf255.safeParse(key).success);
    if (wrong === undefined) return;
    context.issues.push({
      code: 'custom',
      message: `Key "${wrong.slice(0, 100).toWellFormed()}" has other characters than letters, digits and -_:. /, or more than 255`,
      input: context.value,
    });
  });
}

const qosSpecs = z.strictObject({
  id: z.string(),
  name: z.string(),
  consumer,
  specs: z.record(z.string(), z.string()),
});
export const qosReply = z.strictObject({ qos_specs: qosSpecs, links });
export const qosListReply = z.strictObject({
  qos_specs: z.array(qosSpecs),
  qos_specs_links: links.optional(),
});
export const qosUpdateReply = z.strictObject({ qos_specs: z.record(z.string(), z.string()) });
export const associationsReply = z.strictObject({
  qos_associations: z.array(
    z.strictObject({ association_type: z.literal('volume_type'), name: z.string(), id: z.string() }),
  ),
});
