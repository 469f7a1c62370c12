/** What a compute service asks for before it opens an encrypted volume (Cinder's `volume_encryption_metadata`). */
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { anyQuery, idParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { findVolume } from './rows.ts';

const encryptionReply = z.strictObject({
  encryption_key_id: z.string().nullable(),
  control_location: z.string().optional(),
  cipher: z.string().nullable().optional(),
  key_size: z.int().nullable().optional(),
  provider: z.string().optional(),
});
type Encryption = z.output<typeof encryptionReply>;

/** A volume in clear has but a key that is null. */
async function encryptionOfVolume(context: RequestContext, id: string): Promise<Encryption> {
  const { encryption_key_id, volume_type_id } = await findVolume(context, id);
  if (encryption_key_id === null) return { encryption_key_id };
  const record = await context.app.db
    .selectFrom('volume_type_encryptions')
    .select(['control_location', 'cipher', 'key_size', 'provider'])
    .where('volume_type_id', '=', volume_type_id)
    .executeTakeFirst();
  return { encryption_key_id, ...record };
}

export const encryptionMetadataRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/volumes/{id}/encryption',
    summary: "Show a volume's encryption",
    params: idParams,
    query: anyQuery,
    replies: { 200: encryptionReply },
    handle: async (context, { params }) => ({
      status: 200,
      body: await encryptionOfVolume(context, params.id),
    }),
  }),
  route({
    method: 'GET',
    path: '/volumes/{id}/encryption/{item}',
    summary: "Show one item of a volume's encryption",
    params: z.strictObject({ id: z.string(), item: z.string() }),
    query: anyQuery,
    produces: 'text/plain',
    replies: { 200: z.string().optional() },
    // Bare, as Cinder has it; empty when it has no value.
    async handle(context, { params: { id, item } }) {
      const found = await encryptionOfVolume(context, id);
      if (!Object.hasOwn(found, item)) {
        throw new ApiError(404, `Volume ${id} has no encryption metadata with key ${item.slice(0, 255)}.`);
      }
      const headers = { 'Content-Type': 'text/plain; charset=utf-8' };
      return { status: 200, json: `${found[item as keyof Encryption] ?? ''}`, headers };
    },
  }),
];
