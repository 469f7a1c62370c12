import type { App, RequestContext } from '#api/http/context.ts';
import { type ApiError, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { OPEN_OPERATION_STATES, VOLUME_STATUSES, volumeStatusesBefore } from '#schema/states.ts';
import { refuseFrozen } from '../services/freeze.ts';
import { dropSnapshots } from '../snapshots/delete.ts';
import { findVolume, type VolumeRow } from './rows.ts';

const DELETABLE = volumeStatusesBefore('deleting');

export interface DeleteOptions {
  /** From whatever status it has; never while an operation is at work or something is attached. */
  readonly force?: boolean;
  /** Deletes its snapshots first. */
  readonly cascade?: boolean;
}

/** Begins the deletion: `deleting` by compare-and-swap, and the operation, in one transaction. */
export async function deleteVolume(
  context: RequestContext,
  id: string,
  { force = false, cascade = false }: DeleteOptions = {},
): Promise<Reply> {
  const { app, caller } = context;
  const volume = await findVolume(context, id);
  await refuseFrozen(app, [volume]);
  const operation = await transaction(app.db, async (tx) => {
    // The lock comes first: what the conditions look at can't change behind their back.
    tx.later(tx.q.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate());
    const first = cascade ? await dropSnapshots(context, tx, volume) : undefined;
    const legal = force ? VOLUME_STATUSES : DELETABLE;
    let update = tx.q
      .updateTable('volumes')
      .set({ status: 'deleting', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', volume.id)
      .where('status', 'in', legal)
      .where('group_id', 'is', null)
      .where((eb) =>
        eb.and([
          eb.not(eb.exists(eb.selectFrom('attachments').select('id').where('volume_id', '=', volume.id))),
          eb.not(
            eb.exists(
              eb
                .selectFrom('snapshots')
                .select('id')
                .where('volume_id', '=', volume.id)
                .$if(cascade, (query) => query.where('status', '<>', 'deleting')),
            ),
          ),
          // A derived table, and a limit so that it stays one: MySQL lets no update look at the table that it changes.
          eb.not(
            eb.exists(
              eb
                .selectFrom(
                  eb
                    .selectFrom('volumes as made')
                    .select('made.id')
                    .where('made.source_volume_id', '=', volume.id)
                    .where('made.status', '=', 'creating')
                    .limit(1)
                    .as('copies'),
                )
                .select('copies.id'),
            ),
          ),
        ]),
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
    const last = await app.operations.begin(tx, {
      kind: 'volume.delete',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: {},
    });
    // The others wait in line.
    return first ?? last;
  }).catch(async (error: unknown) => {
    throw error instanceof LostRow ? await refused(app, volume, force) : error;
  });
  app.operations.submit(operation);
  return { status: 202 };
}

/** What a client is told of a volume that can be neither deleted nor, in the same words, unmanaged. */
export async function refused({ db }: App, { id }: VolumeRow, force = false): Promise<ApiError> {
  const copy = await db
    .selectFrom('volumes')
    .select('id')
    .where('source_volume_id', '=', id)
    .where('status', '=', 'creating')
    .limit(1)
    .executeTakeFirst();
  // Cinder would let it go; its copy is being made from it.
  if (copy !== undefined)
    return invalidVolume(`Volume must not be the source of a volume that is being created: ${copy.id}.`);
  // Cinder's own list and order; from `error_deleting` ours goes as well.
  const status = force
    ? ''
    : 'status must be available or error or error_restoring or error_extending or error_managing and ';
  return invalidVolume(
    `Volume ${status}must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.`,
  );
}
