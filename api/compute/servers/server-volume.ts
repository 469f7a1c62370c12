import type { Charge } from '#api/block-storage/quotas/charges.ts';
import { checkStorage } from '#api/block-storage/services/down.ts';
import type { PreparedVolume } from '#api/block-storage/volumes/create.ts';
import type { VolumeRow } from '#api/block-storage/volumes/rows.ts';
import type { RequestContext } from '#api/http/context.ts';
import type { ApiError } from '#api/http/errors.ts';
import type { Tx } from '#queues/transaction.ts';
import type { OperationId, ProjectId, VolumeId } from '#schema/ids.ts';
import { holdType, reserve } from '../volume-attachments/reserve.ts';

/** A volume that a server is made with. */
export interface ServerVolume {
  readonly volumeId: VolumeId;
  readonly volumeProject: ProjectId;
  /**
   * Takes the volume for the server in the transaction that makes that.
   * @returns the operation that makes the volume first, or null for one that exists.
   */
  readonly take: (tx: Tx) => Promise<OperationId | null>;
  /** What it takes of the project's quotas. */
  readonly charges: readonly Charge[];
  /** What a client is told when that transaction failed with this; undefined when the volume is not the reason. */
  readonly refusal: (error: unknown) => ApiError | undefined;
}

/** One that exists. @throws ApiError 409 when its storage host is down. */
export async function existingVolume(context: RequestContext, volume: VolumeRow): Promise<ServerVolume> {
  await checkStorage(context.app, volume);
  return {
    volumeId: volume.id,
    volumeProject: volume.project_id,
    async take(tx) {
      holdType(tx, volume);
      await reserve(context, tx, volume);
      return null;
    },
    charges: [],
    refusal: () => undefined,
  };
}

/** One that is made with the server; `awaited`: an operation of its own attaches it, and waits for it. */
export function newVolume({ row, charge, write, refusal }: PreparedVolume, awaited: boolean): ServerVolume {
  return {
    volumeId: row.id,
    volumeProject: row.project_id,
    take: (tx) => write(tx, awaited),
    charges: [charge],
    refusal,
  };
}
