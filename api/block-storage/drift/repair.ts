import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest, conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { NotRepaired, repairOne } from '#queues/drift/repair.ts';
import { view } from './list.ts';

/** Repairs one difference and looks again; answers when that is done. */
export async function repairDrift(
  { app, caller, requestId }: RequestContext,
  { item, delete_data = false }: { readonly item: string; readonly delete_data?: boolean | undefined },
): Promise<Reply> {
  const { projectId, userId } = caller;
  const result = await repairOne(app, item, delete_data, { projectId, userId, requestId }).catch(
    (error: unknown) => {
      throw error instanceof NotRepaired ? told(error) : error;
    },
  );
  return {
    status: 200,
    body: {
      difference: view(result.difference),
      repaired: result.repaired,
      operation_id: result.operationId,
      error: result.error,
    },
  };
}

function told({ reason, message }: NotRepaired): ApiError {
  switch (reason) {
    case 'no-such-difference':
      return new ApiError(404, message);
    case 'data':
      return badRequest(`${message} (delete_data)`);
    case 'by-hand':
    case 'busy':
      return conflict(message);
    default:
      return reason satisfies never;
  }
}
