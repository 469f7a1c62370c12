import type { App } from '#api/http/context.ts';
import type { OperationId } from '#schema/ids.ts';
import type { OperationState } from '#schema/states.ts';
import type { ServerRow } from '../servers/rows.ts';
import { SHOWN_KINDS } from './names.ts';

/** One operation that concerned a server. */
export interface ServerOperation {
  readonly id: OperationId;
  readonly kind: string;
  readonly input: string;
  readonly state: OperationState;
  readonly project_id: string;
  readonly user_id: string;
  readonly request_id: string;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
}

/** Of one server's volumes; a server with more is shown its newest. */
const MOST = 1_000;

/** What was done to a server, and to each volume that it has since it has it; newest first, as Nova lists it. */
export async function readOperations(app: App, server: ServerRow): Promise<readonly ServerOperation[]> {
  return app.db
    .selectFrom('attachments as a')
    .innerJoin('operations as o', 'o.volume_id', 'a.volume_id')
    .select(['o.id', 'o.kind', 'o.input', 'o.state', 'o.project_id', 'o.user_id', 'o.request_id'])
    .select(['o.created_at', 'o.started_at', 'o.ended_at'])
    .where('a.server_id', '=', server.id)
    .where('o.kind', 'in', SHOWN_KINDS)
    .whereRef('o.created_at', '>=', 'a.created_at')
    .where((eb) => eb.or([eb('o.attachment_id', 'is', null), eb('o.attachment_id', '=', eb.ref('a.id'))]))
    .orderBy('o.created_at', 'desc')
    .orderBy('o.seq_base', 'desc')
    .limit(MOST)
    .execute();
}

/** Those of them in which the volume grew, and the guest was not told. */
export async function untoldGuests(
  app: App,
  operations: readonly ServerOperation[],
): Promise<ReadonlySet<string>> {
  const grown = operations.flatMap(({ id, kind }) => (kind === 'volume.extend' ? id : []));
  if (grown.length === 0) return new Set();
  const failed = await app.db
    .selectFrom('operation_steps')
    .select('operation_id')
    .where('operation_id', 'in', grown)
    .where('name', '=', 'resize')
    .where('state', '=', 'failed')
    .execute();
  return new Set(failed.map((step) => step.operation_id));
}
