import { checkStorage } from '#api/block-storage/services/down.ts';
import { prepareVolume } from '#api/block-storage/volumes/create.ts';
import { findVolume } from '#api/block-storage/volumes/rows.ts';
import type { NewVolume } from '#api/block-storage/volumes/schema.ts';
import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, badRequest } from '#api/http/errors.ts';
import type { Tx } from '#queues/transaction.ts';
import type { OperationId, ProjectId, VolumeId } from '#schema/ids.ts';
import { holdType, reserve } from '../volume-attachments/reserve.ts';
import type { Mapping, NewServer } from './schema.ts';

export interface RootVolume {
  readonly volumeId: VolumeId;
  readonly volumeProject: ProjectId;
  /**
   * Takes the volume for the server in the transaction that makes that.
   * @returns the operation that makes the volume first, or null for one that exists.
   */
  readonly take: (tx: Tx) => Promise<OperationId | null>;
  /** What a client is told when that transaction failed with this; undefined when the volume is not the reason. */
  readonly refusal: (error: unknown) => ApiError | undefined;
}

const FROM_VOLUMES =
  'Servers boot from volumes here: name one in block_device_mapping_v2 (openstack server create --volume VOLUME), or have the image made one (--image IMAGE --boot-from-volume GIB).';

/** The mapping of the root disk. @throws ApiError 400 when there is none, or anything beside it. */
export function rootMapping({ block_device_mapping_v2: mappings = [], imageRef }: NewServer): Mapping {
  const [root, ...rest] = mappings;
  if (root === undefined) throw badRequest(FROM_VOLUMES);
  if (rest.length > 0) {
    throw badRequest(
      'A server is made with its root volume alone; attach others once it is there (openstack server add volume).',
    );
  }
  if (Number(root.boot_index ?? -1) !== 0)
    throw badRequest('Invalid block device mapping: boot_index must be 0.');
  if (root.destination_type === 'local') throw badRequest(FROM_VOLUMES);
  if ((imageRef ?? '') !== '' && !(root.source_type === 'image' && root.uuid === imageRef)) {
    throw badRequest('imageRef names another image than the root volume is to be made from.');
  }
  return root;
}

/** @throws ApiError 400 when the server cannot boot from that. */
export async function prepareRoot(context: RequestContext, mapping: Mapping): Promise<RootVolume> {
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

async function existing(context: RequestContext, id: string): Promise<RootVolume> {
  const volume = await findVolume(context, id);
  if (volume.bootable === 0) throw badRequest(`Block Device ${volume.id} is not bootable.`);
  await checkStorage(context.app, volume);
  return {
    volumeId: volume.id,
    volumeProject: volume.project_id,
    async take(tx) {
      holdType(tx, volume);
      await reserve(context, tx, volume);
      return null;
    },
    refusal: () => undefined,
  };
}

async function made(
  context: RequestContext,
  { volume_size: size, volume_type }: Mapping,
  source: Pick<NewVolume, 'imageRef' | 'snapshot_id'>,
): Promise<RootVolume> {
  const volume = await prepareVolume(context, { ...source, size, volume_type });
  if (volume.row.bootable === 0) {
    throw badRequest('Block Device Mapping is Invalid: the snapshot is of a volume that is not bootable.');
  }
  return {
    volumeId: volume.row.id,
    volumeProject: volume.row.project_id,
    take: (tx) => volume.write(tx),
    refusal: (error) => volume.refusal(error),
  };
}
