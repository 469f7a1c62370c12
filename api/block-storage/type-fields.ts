/** What volume types and group types have in common on the wire. */
import { z } from 'zod';
import { text255 } from '#api/http/fields.ts';

export const typeName = text255.min(1, { error: 'is too short' }).refine((text) => text.trim() !== '', {
  error: "An invalid 'name' value was provided. The 'name' can not be empty.",
});

/** Null is kept, and counts as an empty value. */
export const specs = z.record(
  z.string().regex(/^[a-zA-Z0-9\-_:.]{1,255}$/, {
    error: "does not match any of the regexes: '^[a-zA-Z0-9-_:.]{1,255}$'",
  }),
  text255.nullable(),
);
export const oneSpec = specs
  .refine((body) => Object.keys(body).length > 0, { error: 'does not have enough properties' })
  .refine((body) => Object.keys(body).length < 2, { error: 'has too many properties' });

/** As they are kept and shown. */
export type Specs = Readonly<Record<string, string | null>>;
export const shownSpecs = z.record(z.string(), z.string().nullable());
