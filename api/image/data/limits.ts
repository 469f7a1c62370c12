import type { Compilable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import { BUILDER, type Tx } from '#queues/transaction.ts';
import type { ProjectId } from '#schema/ids.ts';
import type { ImageRow } from '../images/rows.ts';

/**
 * How many bytes an image may have: what one image may, and what is left of its project's share at this moment.
 * @param announced bytes that the client says it will send; 0 when it doesn't.
 * @throws ApiError 413 when the project has no room left.
 */
export async function checkRoom(
  { app }: RequestContext,
  image: ImageRow,
  announced: number,
): Promise<number> {
  const { maxBytes, projectBytes } = app.images;
  if (projectBytes === undefined) return maxBytes;
  const { rows } = await app.db.executeQuery(usedBytes(image.project_id).compile());
  const left = projectBytes - Number(rows[0]?.used ?? 0);
  if (left <= 0 || announced > left) throw full(projectBytes);
  return Math.min(maxBytes, left);
}

/**
 * Counts again when the data are there, as others may have come in beside them. Until the transaction's end no other
 * upload of the project gets past here.
 * @throws ApiError 413 when they are too many.
 */
export async function takeRoom(
  tx: Tx,
  { app }: RequestContext,
  projectId: ProjectId,
  size: number,
): Promise<void> {
  const { projectBytes } = app.images;
  if (projectBytes === undefined) return;
  tx.later(
    tx.q
      .insertInto('image_quotas')
      .values({ project_id: projectId })
      // Locks the row if it is there; INSERT IGNORE would only share it.
      .onDuplicateKeyUpdate({ project_id: projectId }),
  );
  const [row] = await tx.rows(usedBytes(projectId));
  if (Number(row?.used ?? 0) + size > projectBytes) throw full(projectBytes);
}

function usedBytes(projectId: ProjectId): Compilable<{ used: string | null }> {
  return BUILDER.selectFrom('images')
    .select((eb) => eb.fn.sum<string | null>('size').as('used'))
    .where('project_id', '=', projectId);
}

function full(projectBytes: number): ApiError {
  return new ApiError(413, `The images of a project must not exceed ${projectBytes} bytes in all.`);
}
