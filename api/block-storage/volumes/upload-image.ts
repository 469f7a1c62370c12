import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest, forbidden, invalidVolume } from '#api/http/errors.ts';
import { anyQuery, flag, idParams, isoTime, text255, time } from '#api/http/fields.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import type { PreparedImage } from '#api/image/catalog/catalog.ts';
import { isField, isReserved } from '#api/image/images/fields.ts';
import { CONTAINER_FORMATS, VISIBILITIES } from '#api/image/images/schema.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type ImageId, type OperationId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { DISK_FORMATS, type DiskFormat } from '#schema/tasks.ts';
import { checkStorage } from '../services/down.ts';
import { unexpected } from '../versioned-body.ts';
import { hasKey, keyForCopy } from './encryption.ts';
import { findVolume, type VolumeRow } from './rows.ts';

const ACTION = 'os-volume_upload_image';

const wanted = z.strictObject({
  image_name: text255.min(1, { error: 'is too short' }),
  force: flag.optional(),
  disk_format: z.enum(DISK_FORMATS).optional(),
  container_format: z
    .enum(CONTAINER_FORMATS, { error: `is not one of ${CONTAINER_FORMATS.join(', ')}` })
    .nullish(),
  visibility: z
    .enum(VISIBILITIES, { error: "is not one of ['community', 'public', 'private', 'shared']" })
    .optional(),
  protected: flag.optional(),
});

const uploaded = z.strictObject({
  id: z.string(),
  updated_at: time.nullable(),
  status: z.literal('uploading'),
  display_description: z.string().nullable(),
  size: z.int(),
  volume_type: z
    .strictObject({
      id: z.string(),
      name: z.string(),
      description: z.string().nullable(),
      is_public: z.boolean(),
      qos_specs_id: z.string().nullable(),
      extra_specs: z.record(z.string(), z.string().nullable()),
      created_at: time,
      updated_at: time.nullable(),
      deleted: z.literal(false),
      deleted_at: z.null(),
    })
    .nullable(),
  image_id: z.string(),
  container_format: z.string(),
  disk_format: z.string(),
  image_name: z.string(),
  visibility: z.string(),
  protected: z.boolean(),
});

/** From here on an image's visibility and protection can be asked for; before, they are Glance's own. */
const VISIBILITY_SINCE = 1;

export const uploadImageRoute: Route = route({
  method: 'POST',
  path: '/volumes/{id}/action',
  action: ACTION,
  summary: 'Upload a volume to an image',
  params: idParams,
  query: anyQuery,
  body: z.strictObject({ [ACTION]: wanted }),
  replies: { 202: z.strictObject({ [ACTION]: uploaded }) },
  handle: (context, { params, body }) => uploadToImage(context, params.id, body[ACTION]),
});

/** Makes an image that waits for data, and begins to write the volume's into it. */
async function uploadToImage(
  context: RequestContext,
  id: string,
  asked: z.output<typeof wanted>,
): Promise<Reply> {
  const { app, caller, microversion } = context;
  if (microversion < VISIBILITY_SINCE) refuseVisibility(asked);
  const volume = await findVolume(context, id);
  if (asked.visibility === 'public' && !caller.isAdmin) {
    throw forbidden("Policy doesn't allow volume_extension:volume_actions:upload_public to be performed.");
  }
  const diskFormat = asked.disk_format ?? 'raw';
  const containerFormat = asked.container_format ?? 'bare';
  const encrypted = volume.encryption_key_id !== null;
  if (encrypted && (diskFormat !== 'raw' || containerFormat !== 'bare')) {
    throw badRequest(
      "An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which are the defaults for these options.",
    );
  }
  const from: VolumeStatus[] = asked.force === true ? ['available', 'in-use'] : ['available'];
  if (!from.includes(volume.status)) throw wrongStatus(volume, from);
  await checkStorage(app, volume);
  const chosen =
    microversion >= VISIBILITY_SINCE
      ? { visibility: asked.visibility ?? 'private', protected: asked.protected ?? false }
      : { visibility: 'shared' as const, protected: false };
  const record = {
    name: asked.image_name,
    disk_format: diskFormat,
    container_format: containerFormat,
    ...chosen,
    ...inherited(volume),
  };
  const image = await app.images.catalog.prepare(context, record, encrypted);
  const now = sqlTime(app.clock.now());
  const operation = await begin(context, { volume, from, image, now, diskFormat }).catch(
    async (error: unknown) => {
      await image.discard();
      throw error instanceof LostRow ? wrongStatus(volume, from) : error;
    },
  );
  app.operations.submit(operation);
  image.watch(operation);
  return {
    status: 202,
    body: {
      [ACTION]: {
        id: volume.id,
        updated_at: isoTime(now),
        status: 'uploading',
        display_description: volume.description,
        size: volume.size_gib,
        volume_type: await typeOf(context, volume),
        image_id: image.id,
        container_format: containerFormat,
        disk_format: diskFormat,
        image_name: asked.image_name,
        ...chosen,
      },
    },
  };
}

/** @throws ApiError 400 for what this microversion does not know yet */
function refuseVisibility(asked: z.output<typeof wanted>): void {
  const unknown = (['visibility', 'protected'] as const).filter((key) => asked[key] !== undefined);
  if (unknown.length > 0) throw unexpected(ACTION, asked, unknown);
}

interface Upload {
  readonly volume: VolumeRow;
  readonly from: readonly VolumeStatus[];
  readonly image: PreparedImage;
  readonly now: string;
  readonly diskFormat: DiskFormat;
}

/** Image, its key and operation in one transaction. @throws LostRow when the volume is no longer as it was. */
async function begin(
  context: RequestContext,
  { volume, from, image, now, diskFormat }: Upload,
): Promise<OperationId> {
  const { app, caller } = context;
  const key = await keyForCopy(context, volume, asId<ImageId>(image.id));
  return transaction(app.db, async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'uploading', updated_at: now })
        .where('id', '=', volume.id)
        .where('project_id', '=', volume.project_id)
        .where(...hasKey(volume))
        .where('status', 'in', from),
    );
    key?.write(tx);
    image.write(tx, key?.id ?? null);
    return app.operations.begin(tx, {
      kind: 'volume.upload',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { imageId: image.id, diskFormat, ...(key !== null && { keyId: key.id }) },
    });
  });
}

function wrongStatus({ id }: VolumeRow, from: readonly VolumeStatus[]): Error {
  return invalidVolume(`Volume ${id} status must be ${from.join(' or ')}`);
}

/** The whole record, as Cinder answers it here and nowhere else. */
async function typeOf({ app }: RequestContext, { volume_type_id: id }: VolumeRow) {
  const row =
    id === null
      ? undefined
      : await app.db.selectFrom('volume_types').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return null;
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    is_public: row.is_public === 1,
    qos_specs_id: row.qos_specs_id,
    extra_specs: JSON.parse(row.extra_specs) as Record<string, string | null>,
    created_at: isoTime(row.created_at),
    updated_at: row.updated_at === null ? null : isoTime(row.updated_at),
    deleted: false,
    deleted_at: null,
  };
}

/** What describes the image that a volume was made from, and not the guest inside. */
const OF_THE_FORMER: ReadonlySet<string> = new Set(['image_id', 'image_name']);

/** The new image says of its guest what the former said; it needs as large a disk as the volume is. */
function inherited({ image_metadata, size_gib }: VolumeRow) {
  const known = JSON.parse(image_metadata ?? '{}') as Record<string, string>;
  const properties = Object.entries(known).filter(
    ([key]) =>
      /^[\x21-\x7e]+$/.test(key) &&
      !OF_THE_FORMER.has(key) &&
      !isField(key) &&
      !isReserved(key) &&
      !key.startsWith('owner_specified.'),
  );
  const minRam = Number(known['min_ram'] ?? 0);
  return {
    min_disk: image_metadata === null ? 0 : size_gib,
    min_ram: Number.isSafeInteger(minRam) && minRam >= 0 ? minRam : 0,
    properties: Object.fromEntries(properties),
  };
}
