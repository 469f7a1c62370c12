import type { RequestContext } from '#api/http/context.ts';
import { badRequest, forbidden, invalidInput, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { transact } from '#queues/database.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES, VOLUME_STATUSES, type VolumeStatus } from '#schema/states.ts';
import { checkStorage } from '../services/down.ts';
import { deleteVolume } from './delete.ts';
import { findVolume } from './rows.ts';

/** Microversion from which a volume in use may grow. */
const EXTEND_IN_USE_SINCE = 42;

/** @param toGib the new size; must be greater than the present one. */
export async function extendVolume(context: RequestContext, id: string, toGib: number): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  if (toGib <= volume.size_gib) {
    throw invalidInput(
      `New size for extend must be greater than current size. (current: ${volume.size_gib}, extended: ${toGib}).`,
    );
  }
  await checkStorage(app, volume);
  const inUse = context.microversion >= EXTEND_IN_USE_SINCE && volume.status === 'in-use';
  const expected: VolumeStatus = inUse ? 'in-use' : 'available';
  const operation = await transaction(app.db, async (tx) => {
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({ status: 'extending', updated_at: sqlTime(app.clock.now()) })
        .where('id', '=', volume.id)
        .where('status', '=', expected)
        .where('size_gib', '=', volume.size_gib),
    );
    return app.operations.begin(tx, {
      kind: 'volume.extend',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { fromGib: volume.size_gib, toGib },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidVolume(
      `Volume ${volume.id} status must be '${expected}' to extend, currently ${volume.status}.`,
    );
  });
  app.operations.submit(operation);
  return { status: 202 };
}

export async function forceDelete(context: RequestContext, id: string): Promise<Reply> {
  if (!context.caller.isAdmin) throw forbidden("Policy doesn't allow volume:force_delete to be performed.");
  return deleteVolume(context, id, { force: true });
}

/** Statuses a volume may be put into by hand: those that promise no work under way. */
const RESETTABLE: ReadonlySet<string> = new Set<VolumeStatus>([
  'available',
  'error',
  'error_extending',
  'in-use',
]);

interface WantedStatus {
  readonly status?: string | null | undefined;
  readonly attach_status?: string | null | undefined;
  readonly migration_status?: string | null | undefined;
}

/**
 * Corrects a volume's recorded status. Unlike Cinder's it never contradicts what is known: not while an operation is
 * at work, not `available` while an attachment exists, and it takes no attachment away (a host may still hold it).
 */
export async function resetStatus(context: RequestContext, id: string, wanted: WantedStatus): Promise<Reply> {
  const { db, clock } = context.app;
  const status = checkWanted(wanted);
  const volume = await findVolume(context, id);
  if (status === undefined) return { status: 202 };
  await transact(db, async (trx) => {
    const locked = await trx
      .selectFrom('volumes')
      .select('id')
      .where('id', '=', volume.id)
      .forUpdate()
      .execute();
    if (locked.length === 0) return;
    const open = await trx
      .selectFrom('operations')
      .select(['id', 'kind'])
      .where('volume_id', '=', volume.id)
      .where('state', 'in', OPEN_OPERATION_STATES)
      .executeTakeFirst();
    if (open !== undefined) {
      throw badRequest(
        `Cannot reset-state while operation ${open.id} (${open.kind}) is at work on the volume.`,
      );
    }
    const attached = await trx
      .selectFrom('attachments')
      .select('id')
      .where('volume_id', '=', volume.id)
      .executeTakeFirst();
    if (status === 'in-use' && attached === undefined) {
      throw badRequest('Cannot reset-state to in-use because volume does not have any attachments.');
    }
    if (status === 'available' && attached !== undefined) {
      throw badRequest(
        `Cannot reset-state to available while attachment ${attached.id} exists; delete it first.`,
      );
    }
    await trx
      .updateTable('volumes')
      .set({ status, updated_at: sqlTime(clock.now()) })
      .where('id', '=', volume.id)
      .execute();
  });
  return { status: 202 };
}

function checkWanted(wanted: WantedStatus): VolumeStatus | undefined {
  if (!wanted.status && !wanted.attach_status && !wanted.migration_status) {
    throw badRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.");
  }
  if (wanted.attach_status) {
    throw badRequest('The attach status follows from the attachments and cannot be reset.');
  }
  if (!wanted.status) return undefined;
  const status = VOLUME_STATUSES.find((known) => known === wanted.status?.toLowerCase());
  if (status === undefined) {
    throw badRequest(
      `Volume status: ${wanted.status.slice(0, 100)} is invalid, valid statuses are: ${VOLUME_STATUSES.join(', ')}.`,
    );
  }
  if (!RESETTABLE.has(status)) throw badRequest(`Cannot reset-state to ${status}`);
  return status;
}
