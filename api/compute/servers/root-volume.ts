import { prepareVolume } from '#api/block-storage/volumes/create.ts';
import { findVolume } from '#api/block-storage/volumes/rows.ts';
import type { NewVolume } from '#api/block-storage/volumes/schema.ts';
import { findSource } from '#api/block-storage/volumes/source.ts';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Mapping } from './schema.ts';
import { existingVolume, newVolume, type ServerVolume } from './server-volume.ts';

/**
 * @param flavorGib the disk that the flavor speaks of: a volume made of an image has at least that.
 * @throws ApiError 400 when the server cannot boot from that.
 */
export async function prepareRoot(
  context: RequestContext,
  mapping: Mapping,
  flavorGib: number,
): Promise<ServerVolume> {
  const { source_type: source = 'volume', uuid } = mapping;
  if (uuid == null) throw badRequest('Invalid block device mapping: the root volume has no uuid.');
  switch (source) {
    case 'volume':
      return existing(context, uuid);
    case 'image':
      return made(context, await sized(context, mapping, uuid, flavorGib), { imageRef: uuid });
    case 'snapshot':
      return made(context, mapping, { snapshot_id: uuid });
    case 'blank':
      throw badRequest('A blank volume has nothing to boot from.');
    default:
      return source satisfies never;
  }
}

async function existing(context: RequestContext, id: string): Promise<ServerVolume> {
  const volume = await findVolume(context, id);
  if (volume.bootable === 0) throw badRequest(`Block Device ${volume.id} is not bootable.`);
  return existingVolume(context, volume);
}

/** Without a size, as large as the image and the flavor ask for. */
async function sized(
  context: RequestContext,
  mapping: Mapping,
  imageRef: string,
  flavorGib: number,
): Promise<Mapping> {
  if (mapping.volume_size != null) return mapping;
  const source = await findSource(context, { imageRef });
  return { ...mapping, volume_size: Math.max(source?.leastGib ?? 1, flavorGib) };
}

async function made(
  context: RequestContext,
  { volume_size: size, volume_type }: Mapping,
  source: Pick<NewVolume, 'imageRef' | 'snapshot_id'>,
): Promise<ServerVolume> {
  const volume = await prepareVolume(context, { ...source, size, volume_type });
  if (volume.row.bootable === 0) {
    throw badRequest('Block Device Mapping is Invalid: the snapshot is of a volume that is not bootable.');
  }
  return newVolume(volume, false);
}
