import { prepareVolume } from '#api/block-storage/volumes/create.ts';
import { findVolume } from '#api/block-storage/volumes/rows.ts';
import type { NewVolume } from '#api/block-storage/volumes/schema.ts';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import type { Mapping } from './schema.ts';
import { existingVolume, newVolume, type ServerVolume } from './server-volume.ts';

/** A volume that a server gets beside its root. @throws ApiError 400 or 404 when it cannot be had. */
export async function prepareData(context: RequestContext, mapping: Mapping): Promise<ServerVolume> {
  const { source_type: source = 'volume', destination_type: destination, uuid } = mapping;
  if (destination === 'local') {
    throw badRequest(
      'Block Device Mapping is Invalid: servers have no disks but volumes (destination_type).',
    );
  }
  if (source === 'blank') {
    // Nova's word for a volume of nothing; without a destination it would be a disk of the host's.
    if (destination === undefined) {
      throw badRequest('Block Device Mapping is Invalid: a blank disk must be a volume (destination_type).');
    }
    return made(context, mapping, {});
  }
  if (uuid == null) throw badRequest(`Block Device Mapping is Invalid: a ${source} is named by its uuid.`);
  switch (source) {
    case 'volume':
      return existingVolume(context, await findVolume(context, uuid));
    case 'image':
      return made(context, mapping, { imageRef: uuid });
    case 'snapshot':
      return made(context, mapping, { snapshot_id: uuid });
    default:
      return source satisfies never;
  }
}

async function made(
  context: RequestContext,
  { volume_size: size, volume_type }: Mapping,
  source: Pick<NewVolume, 'imageRef' | 'snapshot_id'>,
): Promise<ServerVolume> {
  if (size == null && source.snapshot_id === undefined)
    throw badRequest('Block Device Mapping is Invalid: a new volume needs a size (volume_size).');
  return newVolume(await prepareVolume(context, { ...source, size, volume_type }), true);
}
