import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { type ApiError, notFound } from '#api/http/errors.ts';
import { asId, isUuid, type TransferId } from '#schema/ids.ts';
import type { VolumeTransfersTable } from '#schema/tables.ts';

export type TransferRow = Selectable<VolumeTransfersTable>;

export const noTransfer = (id: string): ApiError => notFound('Transfer', id.slice(0, 255));

/** Anybody's who knows its id: its key is what counts. @throws ApiError 404 */
export async function readTransfer({ app }: RequestContext, id: string): Promise<TransferRow> {
  const row = isUuid(id)
    ? await app.db
        .selectFrom('volume_transfers')
        .selectAll()
        .where('id', '=', asId<TransferId>(id.toLowerCase()))
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw noTransfer(id);
  return row;
}

/** @throws ApiError 404 when there is none, or another project offers it. */
export async function findTransfer(context: RequestContext, id: string): Promise<TransferRow> {
  const row = await readTransfer(context, id);
  const { projectId, seesAllProjects } = context.caller;
  if (row.source_project_id !== projectId && !seesAllProjects) throw noTransfer(id);
  return row;
}
