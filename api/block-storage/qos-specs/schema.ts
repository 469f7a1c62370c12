/** Cinder's QoS specs on the wire (its API reference, "Quality of service (QoS) specifications (qos-specs)"). */
import { z } from 'zod';
import { keyOf255, links, text255, upTo } from '#api/http/fields.ts';
import { repr } from '#api/http/python.ts';

const consumer = z.enum(['front-end', 'back-end', 'both'], {
  error: "Invalid qos specs: Valid consumer of QoS specs are: ['front-end', 'back-end', 'both']",
});

/** Text as Cinder keeps it; null is nothing to keep. */
const value = text255.nullable();

/** The same in what is new, which Cinder measures by itself. */
const newValue = z
  .string({
    error: ({ path }) =>
      `Invalid input received: Value for key "${String(path?.at(-1))}" is not a string or unicode`,
  })
  .refine(upTo(255), {
    error: ({ path, input }) =>
      `Invalid input received: Value for key "${String(path?.at(-1))}" has ${Array.from(String(input)).length} characters, more than 255.`,
  })
  .nullable();

const NAME_PROBLEM = "An invalid 'name' value was provided. The 'name' can not be";

const name = z
  .string()
  .min(1, { error: `${NAME_PROBLEM} None.` })
  .trim()
  .min(1, { error: `${NAME_PROBLEM} empty.` })
  .refine(upTo(255), { error: `${NAME_PROBLEM} greater than 255 characters.` })
  .meta({ maxLength: 255 });

export const createBody = z.strictObject({
  qos_specs: z.object({ name, consumer: consumer.nullish() }).catchall(newValue).check(cleanKeys()),
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
      message: `${repr(wrong.slice(0, 300).toWellFormed())} does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'`,
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
export const qosUpdateReply = z.strictObject({ qos_specs: z.record(z.string(), z.string().nullable()) });
export const associationsReply = z.strictObject({
  qos_associations: z.array(
    z.strictObject({ association_type: z.literal('volume_type'), name: z.string(), id: z.string() }),
  ),
});
