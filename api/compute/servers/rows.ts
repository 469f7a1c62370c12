import type { Selectable } from 'kysely';
import type { Caller, RequestContext } from '#api/http/context.ts';
import { ApiError, conflict } from '#api/http/errors.ts';
import { isUuid, type ServerId } from '#schema/ids.ts';
import type { ServersTable } from '#schema/tables.ts';

export type ServerRow = Selectable<ServersTable>;

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findServer({ app, caller }: RequestContext, id: string): Promise<ServerRow> {
  const row = isUuid(id)
    ? await app.db
        .selectFrom('servers')
        .selectAll()
        .where('id', '=', id.toLowerCase() as ServerId)
        .executeTakeFirst()
    : undefined;
  if (row === undefined || row.status === 'DELETED' || !isVisible(caller, row)) throw noServer(id);
  return row;
}

export const noServer = (id: string): ApiError =>
  new ApiError(404, `Instance ${id.slice(0, 255)} could not be found.`);

/** A domain that names no project is the administrators'. */
function isVisible(caller: Caller, row: ServerRow): boolean {
  if (row.project_id === null) return caller.isAdmin;
  return row.project_id === caller.projectId || caller.seesAllProjects;
}

/** @throws ApiError 409 for a domain that a compute agent found on its host. */
export function refuseForeign(row: ServerRow): void {
  if (row.root_volume_id !== null) return;
  throw conflict(
    `Server ${row.id} was not made through this API; use virsh on host ${row.host ?? ''} for what is to be done to it.`,
  );
}

/** Nova's words for an action that the server's state does not allow. */
export function wrongState(row: ServerRow, action: string): ApiError {
  const what =
    row.task_state === null
      ? `vm_state ${STATES[row.status]?.[0] ?? 'building'}`
      : `task_state ${row.task_state}`;
  return conflict(`Cannot '${action}' instance ${row.id} while it is in ${what}`);
}

/** A server's status → Nova's vm_state and power state. */
export const STATES: Readonly<Record<string, readonly [vmState: string, powerState: number]>> = {
  ACTIVE: ['active', 1],
  PAUSED: ['paused', 3],
  SUSPENDED: ['suspended', 4],
  SHUTOFF: ['stopped', 4],
  ERROR: ['error', 0],
};
