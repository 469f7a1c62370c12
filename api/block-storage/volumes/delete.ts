import type { RequestContext } from '#api/http/context.ts';
import { invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES, type VolumeStatus, volumeStatusesBefore } from '#schema/states.ts';
import { findVolume } from './rows.ts';

const DELETABLE = volumeStatusesBefore('deleting');

/** Statuses that only a running operation leaves; without one, force may end them. */
const ABANDONED: readonly VolumeStatus[] = [
  'creating',
  'reserved',
  'attaching',
  'detaching',
  'extending',
  'deleting',
];

/**
 * Begins the deletion: `deleting` by compare-and-swap, and the operation, in one transaction.
 * @param force also from a status in which an operation gave up; never while one is at work or something is attached.
 */
export async function deleteVolume(context: RequestContext, id: string, force: boolean): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  const operation = await transaction(app.db, async (tx) => {
    const legal = force ? [...DELETABLE, ...ABANDONED] : DELETABLE;
    let update = tx.q
      .updateTable('volumes')
      .set({ status: 'deleting', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', volume.id)
      .where('status', 'in', legal)
      .where((eb) =>
        eb.not(eb.exists(eb.selectFrom('attachments').select('id').where('volume_id', '=', volume.id))),
      );
    if (force) {
      update = update.where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('operations')
              .select('id')
              .where('volume_id', '=', volume.id)
              .where('state', 'in', OPEN_OPERATION_STATES),
          ),
        ),
      );
    }
    tx.must(update);
    return app.operations.begin(tx, {
      kind: 'volume.delete',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: {},
    });
  }).catch((error: unknown) => {
    throw error instanceof LostRow ? refused(force) : error;
  });
  app.operations.submit(operation);
  return { status: 202 };
}

function refused(force: boolean): Error {
  const status = force ? '' : `status must be ${DELETABLE.join(' or ')} and `;
  return invalidVolume(
    `Volume ${status}must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.`,
  );
}
