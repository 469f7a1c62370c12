import { checkStorage } from '#api/block-storage/services/down.ts';
import { prepareVolume } from '#api/block-storage/volumes/create.ts';
import { findVolume } from '#api/block-storage/volumes/rows.ts';
import type { NewVolume } from '#api/block-storage/volumes/schema.ts';
import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, badRequest } from '#api/http/errors.ts';
import type { Tx } from '#queues/transaction.ts';
import type { OperationId, ProjectId, VolumeId } from '#schema/ids.ts';
import { holdType, reserve } from '../volume-attachments/reserve.ts';
import type { Mapping } from './schema.ts';

/** A volume that a server is made with. */
export interface ServerVolume {
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
): Promise<ServerVolume> {
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
