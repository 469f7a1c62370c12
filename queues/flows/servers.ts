import { type RawBuilder, sql, type UpdateObject } from 'kysely';
import { sqlTime } from '#schema/clock.ts';
import { asId, type ServerId } from '#schema/ids.ts';
import type { ServersTable, Tables } from '#schema/tables.ts';
import type { Tx } from '../transaction.ts';
import type { Run } from './flow.ts';

type ServerKind = 'server.create' | 'server.delete' | 'server.power';

/** Nothing is being done to it any more, unless it waits to be deleted. */
export const AT_REST: RawBuilder<string | null> = sql`IF(task_state = 'deleting', task_state, NULL)`;

export function setServer(
  tx: Tx,
  run: Run<ServerKind, unknown>,
  changes: UpdateObject<Tables, 'servers'>,
): void {
  tx.later(
    tx.q
      .updateTable('servers')
      .set({ ...changes, updated_at: sqlTime(run.clock.now()) })
      .where('id', '=', asId<ServerId>(run.facts.input.serverId)),
  );
}

/** Its row stays for a while, so that a report older than this does not bring it back; see conductor/reports.ts. */
export function forgetServer(tx: Tx, run: Run<ServerKind, unknown>): void {
  setServer(tx, run, { status: 'DELETED', task_state: null });
  const id = asId<ServerId>(run.facts.input.serverId);
  tx.later(tx.q.deleteFrom('servers').where('id', '=', id).where('host', 'is', null));
}

/** Held: nobody begins to delete it before this transaction ends. @throws Error when it is gone. */
export async function readServer(
  tx: Tx,
  id: string,
): Promise<Pick<ServersTable, 'name' | 'project_id' | 'vcpus' | 'memory_mib' | 'task_state'>> {
  const [server] = await tx.rows(
    tx.q
      .selectFrom('servers')
      .select(['name', 'project_id', 'vcpus', 'memory_mib', 'task_state'])
      .where('id', '=', asId<ServerId>(id))
      .forUpdate(),
  );
  if (server === undefined) throw new Error(`server ${id} is gone`);
  return server;
}
