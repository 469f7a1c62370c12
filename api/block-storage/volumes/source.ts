import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { ImageRecord } from '#api/image/catalog/catalog.ts';
import type { KnownKey } from '#queues/key-manager/key-manager.ts';
import type { Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type ImageId, isUuid } from '#schema/ids.ts';
import type { BackedUpVolume, OperationInputs } from '#schema/operations.ts';
import { DISK_FORMATS } from '#schema/tasks.ts';
import { holdForRestore } from '../backups/hold.ts';
import { dataOf, findBackup, invalidBackup } from '../backups/rows.ts';
import { checkStorage } from '../services/down.ts';
import { findSnapshot, volumeOf } from '../snapshots/rows.ts';
import { hasKey, keyOf } from './encryption.ts';
import { findVolume, type VolumeRow } from './rows.ts';
import type { NewVolume } from './schema.ts';

/** What a new volume is made from, and what follows from it. */
export interface Source {
  /** GiB that the volume must have at least. */
  readonly leastGib: number;
  /** The size of a volume for which none was asked; undefined when it must be. */
  readonly defaultGib: number | undefined;
  /** The volume in whose pool and zone the new one must lie; undefined for an image. */
  readonly origin: VolumeRow | undefined;
  /** The type, by id or name, of a volume for which none was asked. */
  readonly type: string | null;
  /** What opens it; null for one that is not encrypted. */
  readonly key: KnownKey | null;
  readonly columns: Pick<VolumeRow, 'source_volume_id' | 'snapshot_id' | 'bootable' | 'image_metadata'> &
    Partial<Pick<VolumeRow, 'metadata'>>;
  readonly input: OperationInputs['volume.create'];
  /** Says what is wrong with a size below `leastGib`. */
  tooSmall(sizeGib: number): ApiError;
  /** Sees to it, in the transaction that makes the volume, that the source is still there and not being deleted. */
  hold(tx: Tx): void;
  /** What a client is told when `hold` found that it isn't. */
  lost(): ApiError;
}

const GIB = 1024 ** 3;

/** @throws ApiError 400 or 404 when the source can't be used; undefined for a volume of zeroes. */
export async function findSource(context: RequestContext, wanted: NewVolume): Promise<Source | undefined> {
  const { snapshot_id: snapshot, source_volid: volume, backup_id: backup } = wanted;
  const image = wanted.image_id === undefined ? wanted.imageRef : wanted.image_id;
  const named = [snapshot, volume, image, backup].filter((id) => id !== undefined && id !== null);
  if (named.length > 1) {
    // Each has to be there before there can be too many.
    if (snapshot != null) await findSnapshot(context, snapshot);
    if (volume != null) await findVolume(context, volume);
    if (image != null) await findImage(context, image);
    if (backup != null) await findBackup(context, backup);
    throw invalidInput('May specify only one of backup, imageRef, snapshot, source volume');
  }
  if (snapshot != null) return fromSnapshot(context, snapshot);
  if (volume != null) return fromVolume(context, volume);
  if (image != null) return fromImage(context, image);
  return backup == null ? undefined : fromBackup(context, backup, wanted);
}

async function fromVolume(context: RequestContext, id: string): Promise<Source> {
  const origin = await findVolume(context, id);
  const lost = (): ApiError =>
    invalidVolume("Originating source volume status must be one of 'available, in-use' values");
  if (!['available', 'in-use'].includes(origin.status) || origin.pool === null) throw lost();
  await checkStorage(context.app, origin);
  return {
    ...inherited(origin, origin.size_gib),
    columns: { ...columnsOf(origin), source_volume_id: origin.id },
    input: { source: { kind: 'volume', volumeId: origin.id }, pool: origin.pool },
    tooSmall: (size) =>
      invalidInput(
        `Volume size '${size}'GB cannot be smaller than original volume size  ${origin.size_gib}GB. They must be >= original volume size.`,
      ),
    hold: (tx) =>
      tx.must(
        tx.q
          .updateTable('volumes')
          .set((eb) => ({ seq: eb.ref('seq') }))
          .where('id', '=', origin.id)
          .where('size_gib', '=', origin.size_gib)
          // Nor another project's by now, nor written with another key.
          .where('project_id', '=', origin.project_id)
          .where(...hasKey(origin))
          .where('status', 'in', ['available', 'in-use']),
      ),
    lost,
  };
}

async function fromSnapshot(context: RequestContext, id: string): Promise<Source> {
  const snapshot = await findSnapshot(context, id);
  const lost = (): ApiError =>
    badRequest("Invalid snapshot: Originating snapshot status must be one of 'available' values");
  if (snapshot.status !== 'available') throw lost();
  const origin = await volumeOf(context, snapshot);
  if (origin.pool === null) throw lost();
  await checkStorage(context.app, origin);
  return {
    ...inherited(origin, snapshot.size_gib),
    columns: { ...columnsOf(origin), snapshot_id: snapshot.id },
    input: {
      source: { kind: 'snapshot', snapshotId: snapshot.id, volumeId: origin.id },
      pool: origin.pool,
    },
    tooSmall: (size) =>
      invalidInput(
        `Volume size '${size}'GB cannot be smaller than the snapshot size ${snapshot.size_gib}GB. They must be >= original snapshot size.`,
      ),
    hold: (tx) =>
      tx.must(
        tx.q
          .updateTable('snapshots')
          .set((eb) => ({ status: eb.ref('status') }))
          .where('id', '=', snapshot.id)
          .where('project_id', '=', snapshot.project_id)
          .where('status', '=', 'available'),
      ),
    lost,
  };
}

async function fromBackup(context: RequestContext, id: string, wanted: NewVolume): Promise<Source> {
  const backup = await findBackup(context, id);
  const lost = (): ApiError => invalidBackup("Originating backup status must be one of 'available' values");
  if (backup.status !== 'available') throw lost();
  const details = JSON.parse(backup.volume_details) as Partial<BackedUpVolume>;
  const { store, ...data } = dataOf(backup);
  return {
    leastGib: backup.size_gib,
    defaultGib: backup.size_gib,
    origin: undefined,
    type: details.encryptedType ?? null,
    key: keyOf(backup),
    columns: {
      source_volume_id: null,
      snapshot_id: null,
      bootable: details.bootable === true ? 1 : 0,
      image_metadata: details.imageMetadata == null ? null : JSON.stringify(details.imageMetadata),
      metadata: JSON.stringify({ ...details.metadata, ...wanted.metadata }),
    },
    input: { source: { kind: 'backup', backupId: backup.id, store, ...data } },
    tooSmall: (size) =>
      invalidInput(
        `Volume size ${size}GB cannot be smaller than the backup size ${backup.size_gib}GB. It must be >= backup size.`,
      ),
    hold: (tx) => holdForRestore(tx, sqlTime(context.app.clock.now()), backup, null),
    lost,
  };
}

function inherited(origin: VolumeRow, sizeGib: number) {
  return {
    leastGib: sizeGib,
    defaultGib: sizeGib,
    origin,
    type: origin.volume_type_id,
    key: keyOf(origin),
  } as const;
}

function columnsOf({ bootable, image_metadata }: VolumeRow): Source['columns'] {
  return { source_volume_id: null, snapshot_id: null, bootable, image_metadata };
}

/** By its id, a link that ends in it, or its name. @throws ApiError 400, or 409 when several have that name */
async function findImage(context: RequestContext, reference: string): Promise<ImageRecord> {
  const { catalog } = context.app.images;
  const id = reference.slice(reference.lastIndexOf('/') + 1).toLowerCase();
  if (isUuid(id)) {
    const image = await catalog.find(context, id).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    });
    if (image !== undefined) return image;
  }
  const [named, ...others] = reference === '' ? [] : await catalog.named(context, reference);
  if (named === undefined) throw badRequest('Invalid image identifier or unable to access requested image.');
  if (others.length > 0) {
    throw new ApiError(409, `Multiple matches found for '${reference}', use an ID to be more specific.`);
  }
  return named;
}

async function fromImage(context: RequestContext, reference: string): Promise<Source> {
  const image = await findImage(context, reference);
  const { id } = image;
  const snapshotId = snapshotOf(context, image);
  if (snapshotId !== undefined)
    return fromSnapshot(context, snapshotId).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      throw new ApiError(
        404,
        `Nova specific image is found, but boot volume snapshot id:${snapshotId.slice(0, 255)} not found.`,
      );
    });
  const diskFormat = DISK_FORMATS.find((format) => format === image.disk_format);
  if (image.status !== 'active' || image.size === null) {
    throw invalidInput(`Image ${id} is not active.`);
  }
  const key = keyOf({ ...image, id: asId<ImageId>(id) });
  if (key === null && image.properties['cinder_encryption_key_id'] !== undefined) {
    throw invalidInput(`Image ${id} is encrypted with a key that is not kept here.`);
  }
  if (diskFormat === undefined) {
    throw invalidInput(
      `Image ${id} is of format ${image.disk_format ?? 'none'}, which no volume is made of.`,
    );
  }
  const needed = Math.ceil(
    Math.max(image.size * Number(diskFormat === 'raw'), image.virtual_size ?? 0) / GIB,
  );
  return {
    leastGib: Math.max(needed, image.min_disk, 1),
    defaultGib: undefined,
    origin: undefined,
    type: image.properties['cinder_img_volume_type'] ?? null,
    key,
    columns: {
      source_volume_id: null,
      snapshot_id: null,
      bootable: 1,
      image_metadata: JSON.stringify(imageMetadata(image)),
    },
    input: {
      source: {
        kind: 'image',
        image: {
          id,
          diskFormat,
          sizeBytes: image.size,
          md5: image.checksum,
          sha512: image.os_hash_algo === 'sha512' ? image.os_hash_value : null,
          ...(key !== null && { encrypted: true }),
        },
      },
    },
    tooSmall: (size) =>
      invalidInput(
        size < needed
          ? `Size of specified image ${needed}GB is larger than volume size ${size}GB.`
          : `Volume size ${size}GB cannot be smaller than the image minDisk size ${image.min_disk}GB.`,
      ),
    hold: () => undefined,
    lost: () => invalidInput(`Image ${id} is not active.`),
  };
}

/** Microversion from which an image that Nova made of a server that boots from a volume stands for that volume's snapshot. */
const IMAGE_OF_SNAPSHOT_SINCE = 46;

function snapshotOf({ microversion }: RequestContext, { properties }: ImageRecord): string | undefined {
  const text = properties['block_device_mapping'];
  if (text === undefined || microversion < IMAGE_OF_SNAPSHOT_SINCE) return undefined;
  const mappings = bootMappings.safeParse(text);
  if (!mappings.success) return undefined;
  return mappings.data.find((each) => each.source_type === 'snapshot' && each.boot_index === 0)?.snapshot_id;
}

const bootMappings = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('is not JSON');
      return z.NEVER;
    }
  })
  .pipe(
    z.array(
      z.looseObject({
        source_type: z.string().optional(),
        boot_index: z.number().nullish(),
        snapshot_id: z.string().optional(),
      }),
    ),
  );

/** Cinder's `volume_image_metadata`: the image's own properties, and what it was. */
function imageMetadata(image: ImageRecord): Record<string, string> {
  const facts = {
    image_id: image.id,
    image_name: image.name,
    checksum: image.checksum,
    container_format: image.container_format,
    disk_format: image.disk_format,
    min_disk: image.min_disk,
    min_ram: image.min_ram,
    size: image.size,
  };
  const present = Object.entries(facts).filter(([, value]) => value !== null);
  return {
    ...image.properties,
    ...Object.fromEntries(present.map(([key, value]) => [key, String(value)])),
  };
}
