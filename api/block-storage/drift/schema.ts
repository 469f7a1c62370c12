import { z } from 'zod';

const difference = z.strictObject({
  /** The same as long as the difference lasts. */
  id: z.string(),
  kind: z.string(),
  /** The host's name, or `mysql`. */
  host: z.string(),
  volume_id: z.string().nullable(),
  snapshot_id: z.string().nullable(),
  server_id: z.string().nullable(),
  attachment_id: z.string().nullable(),
  wanted: z.string(),
  found: z.string(),
  cause: z.string().nullable(),
  operation_id: z.string().nullable(),
  repair: z.string(),
  /** `safe`: by `all`; `named`: by its id; `data`: by its id and `delete_data`; `none`: by a person. */
  care: z.enum(['safe', 'named', 'data', 'none']),
});

const host = { kind: z.enum(['storage', 'compute']), host: z.string() };

export const driftReply = z.strictObject({
  differences: z.array(difference),
  /** Hosts that did not answer, or not to all: nothing there is taken for gone. */
  unknown: z.array(z.strictObject({ ...host, reason: z.string() })),
  hosts: z.array(z.strictObject(host)),
});

export const repairRequest = z.strictObject({
  /** The difference's id. */
  item: z.string().min(1, { error: 'is too short' }).max(400, { error: 'is too long' }),
  /** What may hold data may be removed. */
  delete_data: z.boolean().optional(),
});

export const repairedReply = z.strictObject({
  /** As it was. */
  difference,
  /** It is found no longer. */
  repaired: z.boolean(),
  /** The operation that did it, where MySQL knows the volume. */
  operation_id: z.string().nullable(),
  error: z.string().nullable(),
});
