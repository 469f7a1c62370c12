import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, invalidVolume } from '#api/http/errors.ts';
import { anyQuery, idParams } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { changeMetadataOf, type Metadata } from '../metadata.ts';
import { findVolume, type VolumeRow } from './rows.ts';
import { metaBody, metadataBody, metadataReply, metaReply } from './schema.ts';

/** Microversion from which metadata has entity tags. */
const ETAGS_SINCE = 15;

/** What is said of a volume, or of the image that it was made from. @throws ApiError 404, 400 while that is being copied */
export async function changeVolumeMetadata(
  context: RequestContext,
  of: 'volume' | 'volume image',
  id: string,
  edit: (metadata: Metadata) => Metadata,
  what: 'Updating' | 'Deleting' = 'Updating',
): Promise<Metadata> {
  const volume = await findVolume(context, id);
  return changeMetadataOf(context.app, of, volume.id, (old) => {
    // What is not there is not there in any status.
    const edited = edit(old);
    refuseFixed(volume, what);
    return edited;
  });
}

/** @throws ApiError 400 while what is said of the volume is being copied. */
function refuseFixed({ status }: VolumeRow, what: 'Updating' | 'Deleting'): void {
  if (status !== 'maintenance' && status !== 'uploading') return;
  throw invalidVolume(`${what} volume metadata is not allowed for volumes in ${status} status.`);
}

class PreconditionFailed extends Error {}

/** @throws PreconditionFailed when the request names a tag that the metadata no longer has. */
function checkTag({ ifMatch, microversion }: RequestContext, metadata: Metadata): void {
  if (ifMatch === undefined || microversion < ETAGS_SINCE) return;
  const tags = ifMatch.split(',').map((part) => part.trim().replaceAll('"', ''));
  if (!tags.includes('*') && !tags.includes(tagOf(metadata))) throw new PreconditionFailed();
}

function tagOf(metadata: Metadata): string {
  return createHash('sha256').update(JSON.stringify({ metadata })).digest('hex').slice(0, 32);
}

async function replyOr412(work: () => Promise<Reply>): Promise<Reply> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PreconditionFailed) return { status: 412 };
    throw error;
  }
}

const keyParams = z.strictObject({ id: z.string(), key: z.string() });

function missing(id: string, key: string): ApiError {
  return new ApiError(404, `Volume ${id.slice(0, 255)} has no metadata with key ${key.slice(0, 255)}.`);
}

export const metadataRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/volumes/{id}/metadata',
    summary: "Show a volume's metadata",
    params: idParams,
    query: anyQuery,
    replies: { 200: metadataReply },
    handle: async (context, { params }) => {
      const metadata = JSON.parse((await findVolume(context, params.id)).metadata) as Metadata;
      const headers = context.microversion >= ETAGS_SINCE ? { ETag: `"${tagOf(metadata)}"` } : {};
      return { status: 200, body: { metadata }, headers };
    },
  }),
  route({
    method: 'POST',
    path: '/volumes/{id}/metadata',
    summary: "Add to a volume's metadata",
    params: idParams,
    query: anyQuery,
    body: metadataBody,
    replies: { 200: metadataReply },
    handle: async (context, { params, body }) => {
      const metadata = await changeVolumeMetadata(context, 'volume', params.id, (old) => ({
        ...old,
        ...body.metadata,
      }));
      return { status: 200, body: { metadata } };
    },
  }),
  route({
    method: 'PUT',
    path: '/volumes/{id}/metadata',
    headers: ['If-Match'],
    summary: "Replace a volume's metadata",
    params: idParams,
    query: anyQuery,
    body: metadataBody,
    replies: { 200: metadataReply, 412: null },
    handle: (context, { params, body }) =>
      replyOr412(async () => {
        const metadata = await changeVolumeMetadata(context, 'volume', params.id, (old) => {
          checkTag(context, old);
          return body.metadata;
        });
        return { status: 200, body: { metadata } };
      }),
  }),
  route({
    method: 'GET',
    path: '/volumes/{id}/metadata/{key}',
    summary: "Show one item of a volume's metadata",
    params: keyParams,
    query: anyQuery,
    replies: { 200: metaReply },
    handle: async (context, { params: { id, key } }) => {
      const metadata = JSON.parse((await findVolume(context, id)).metadata) as Metadata;
      if (!Object.hasOwn(metadata, key)) throw missing(id, key);
      return { status: 200, body: { meta: { [key]: metadata[key] } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/volumes/{id}/metadata/{key}',
    headers: ['If-Match'],
    summary: "Set one item of a volume's metadata",
    params: keyParams,
    query: anyQuery,
    body: metaBody,
    replies: { 200: metaReply, 412: null },
    handle: (context, { params: { id, key }, body: { meta } }) =>
      replyOr412(async () => {
        if (!Object.hasOwn(meta, key)) throw badRequest('Request body and URI mismatch');
        await changeVolumeMetadata(context, 'volume', id, (old) => {
          checkTag(context, old);
          return { ...old, ...meta };
        });
        return { status: 200, body: { meta } };
      }),
  }),
  route({
    method: 'DELETE',
    path: '/volumes/{id}/metadata/{key}',
    summary: "Delete one item of a volume's metadata",
    params: keyParams,
    query: anyQuery,
    replies: { 200: null },
    handle: async (context, { params: { id, key } }) => {
      const without = (old: Metadata): Metadata => {
        if (!Object.hasOwn(old, key)) throw missing(id, key);
        return Object.fromEntries(Object.entries(old).filter(([name]) => name !== key));
      };
      await changeVolumeMetadata(context, 'volume', id, without, 'Deleting');
      return { status: 200 };
    },
  }),
];
