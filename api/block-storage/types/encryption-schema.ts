/** How volumes of a type are to be encrypted, on the wire (Cinder's API reference, "Volume types"). */
import { z } from 'zod';
import { text255, time } from '#api/http/fields.ts';

const MAX_INT = 2_147_483_647;

/** Bits, as a number or its digits. */
const keySize = z
  .union([
    z.string().regex(/^\s*[+-]?\d{1,10}\s*$/, {
      error: 'Invalid input received: key_size must be an integer.',
    }),
    z.int().min(0).max(MAX_INT),
  ])
  .transform(Number)
  .refine((bits) => bits >= 0, { error: 'is less than the minimum of 0' })
  .refine((bits) => bits <= MAX_INT, { error: `is greater than the maximum of ${MAX_INT}` })
  .nullish();
const location = z.enum(['front-end', 'back-end'], { error: "is not one of ['front-end', 'back-end']" });
const cipher = text255.nullish();

/** Besides these there may be anything, which is sent back and not kept, as in Cinder. */
const newEncryption = z.looseObject({
  provider: text255,
  control_location: location,
  cipher,
  key_size: keySize,
});
export type NewEncryption = z.output<typeof newEncryption>;
export const createEncryptionBody = z.strictObject({ encryption: newEncryption });

const changes = z.strictObject({
  provider: text255.optional(),
  control_location: location.optional(),
  cipher,
  key_size: keySize,
});
export type EncryptionChanges = z.output<typeof changes>;
export const updateEncryptionBody = z.strictObject({ encryption: changes });

const settings = {
  provider: z.string(),
  control_location: location,
  cipher: z.string().nullable(),
  key_size: z.int().nullable(),
};
const ids = { volume_type_id: z.string(), encryption_id: z.string() };

export const encryptionReply = z.strictObject({
  ...z.strictObject({ ...settings, ...ids, created_at: time, updated_at: time.nullable() }).partial().shape,
  deleted_at: z.null().optional(),
  deleted: z.literal(false).optional(),
});
export const encryptionCreatedReply = z.strictObject({
  encryption: z.looseObject({ ...z.strictObject(settings).partial().shape, ...ids }),
});
export const encryptionUpdatedReply = z.strictObject({ encryption: z.strictObject(settings).partial() });
export const encryptionItemReply = z.record(
  z.string(),
  z.union([z.string(), z.int(), z.boolean(), z.null()]),
);
