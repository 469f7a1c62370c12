import { prepareVolume } from '#api/block-storage/volumes/create.ts';
import { findVolume } from '#api/block-storage/volumes/rows.ts';
import type { NewVolume } from '#api/block-storage/volumes/schema.ts';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Mapping } from './schema.ts';
import { existingVolume, newVolume, type ServerVolume } from './server-volume.ts';

/** @throws ApiError 400 when the server cannot boot from that. */
export async function prepareRoot(context: RequestContext, mapping: Mapping): Promise<ServerVolume> {
  const { source_type: source = 'volume', uuid } = mapping;
  if (uuid == null) throw badRequest('Invalid block device mapping: the root volume has no uuid.');
  switch (source) {
    case 'volume':
      return existing(context, uuid);
    case 'image':
      return made(context, mapping, { imageRef: uuid });
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
