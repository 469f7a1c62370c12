import { z } from 'zod';
import { ApiError } from '#api/http/errors.ts';
import { anyQuery, flag, idParams, keyOf255, text255 } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Metadata } from '../metadata.ts';
import { changeVolumeMetadata } from './metadata.ts';
import { findVolume } from './rows.ts';
import { metadataReply } from './schema.ts';
import { refuseInMaintenance } from './update.ts';

/** Values may be as long as Glance's. */
const imageMap = z.record(
  keyOf255,
  z.string().refine((text) => Buffer.byteLength(text) <= 65_535, { error: "is not a 'mysql_text'" }),
);

function missing(id: string): ApiError {
  return new ApiError(404, `Glance metadata for volume/snapshot ${id.slice(0, 255)} cannot be found.`);
}

const action = { method: 'POST', path: '/volumes/{id}/action', params: idParams, query: anyQuery } as const;

export const imageMetadataRoutes: readonly Route[] = [
  route({
    ...action,
    action: 'os-set_image_metadata',
    summary: "Set a volume's image metadata",
    body: z.strictObject({ 'os-set_image_metadata': z.strictObject({ metadata: imageMap }) }),
    replies: { 200: metadataReply },
    handle: async (context, { params, body }) => {
      const { metadata: more } = body['os-set_image_metadata'];
      const metadata = await changeVolumeMetadata(context, 'volume image', params.id, (old) => ({
        ...old,
        ...more,
      }));
      return { status: 200, body: { metadata } };
    },
  }),
  route({
    ...action,
    action: 'os-unset_image_metadata',
    summary: "Unset one item of a volume's image metadata",
    body: z.strictObject({
      'os-unset_image_metadata': z.strictObject({ key: text255.min(1, { error: 'is too short' }) }),
    }),
    replies: { 200: null },
    handle: async (context, { params, body }) => {
      const { key } = body['os-unset_image_metadata'];
      const without = (old: Metadata): Metadata => {
        if (!Object.hasOwn(old, key)) throw missing(params.id);
        return Object.fromEntries(Object.entries(old).filter(([name]) => name !== key));
      };
      await changeVolumeMetadata(context, 'volume image', params.id, without, 'Deleting');
      return { status: 200 };
    },
  }),
  route({
    ...action,
    action: 'os-show_image_metadata',
    summary: "Show a volume's image metadata",
    body: z.strictObject({ 'os-show_image_metadata': z.unknown() }),
    replies: { 200: metadataReply },
    handle: async (context, { params }) => {
      const { image_metadata } = await findVolume(context, params.id);
      if (image_metadata === null) throw missing(params.id);
      return { status: 200, body: { metadata: JSON.parse(image_metadata) as Metadata } };
    },
  }),
  route({
    ...action,
    action: 'os-set_bootable',
    summary: 'Say whether a volume can be booted from',
    body: z.strictObject({ 'os-set_bootable': z.strictObject({ bootable: flag }) }),
    replies: { 200: null },
    handle: async (context, { params, body }) => {
      const volume = await findVolume(context, params.id);
      refuseInMaintenance(volume);
      await context.app.db
        .updateTable('volumes')
        .set({
          bootable: body['os-set_bootable'].bootable ? 1 : 0,
          updated_at: sqlTime(context.app.clock.now()),
        })
        .where('id', '=', volume.id)
        .execute();
      return { status: 200 };
    },
  }),
];
