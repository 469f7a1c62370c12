import type { ServerRow } from '../servers/rows.ts';
import { wrongState } from '../servers/rows.ts';

/** The statuses in which Nova changes a server's volumes. */
const CHANGEABLE: ReadonlySet<string> = new Set(['ACTIVE', 'PAUSED', 'SHUTOFF']);

/** Servers that were made here are left alone while something else is done to them. @throws ApiError 409 */
export function refuseBusy(server: ServerRow, action: 'attach_volume' | 'detach_volume'): void {
  if (server.root_volume_id === null) return;
  if (server.task_state !== null || !CHANGEABLE.has(server.status)) throw wrongState(server, action);
}
