import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import { volumeStatusesBefore } from '#schema/states.ts';
import { refuseFrozen } from '../services/freeze.ts';
import { findGroup, type GroupRow, invalidGroup } from './rows.ts';

const DELETABLE = volumeStatusesBefore('deleting');

/**
 * Deletes an empty group at once. With its volumes: begins the deletion of each, all of them or none; the group goes with
 * the last.
 */
export async function deleteGroup(context: RequestContext, id: string, withVolumes: boolean): Promise<Reply> {
  const { app } = context;
  const group = await findGroup(context, id);
  const volumes = await app.db
    .selectFrom('volumes')
    .select('pool')
    .where('group_id', '=', group.id)
    .execute();
  await refuseFrozen(app, volumes);
  const begun = await transaction(app.db, (tx) => drop(context, tx, group, withVolumes)).catch(
    (error: unknown) => {
      if (!(error instanceof LostRow)) throw error;
      throw invalidGroup(
        `Cannot delete group ${group.id}. A volume of it is in use, is being worked on or has snapshots, or is the source of a volume that is being created.`,
      );
    },
  );
  for (const operation of begun) app.operations.submit(operation);
  return { status: 202 };
}

async function drop(
  context: RequestContext,
  tx: Tx,
  group: GroupRow,
  withVolumes: boolean,
): Promise<OperationId[]> {
  const [locked] = await tx.rows(
    tx.q.selectFrom('volume_groups').select('status').where('id', '=', group.id).forUpdate(),
  );
  // Gone meanwhile, which is what was asked for.
  if (locked === undefined) return [];
  if (!withVolumes && locked.status !== 'available' && locked.status !== 'error') {
    throw invalidGroup(`Group status must be available or error, but current status is: ${locked.status}`);
  }
  await checkUnneeded(tx, group);
  const volumes = await tx.rows(
    tx.q.selectFrom('volumes').select(['id', 'status']).where('group_id', '=', group.id).forUpdate(),
  );
  if (volumes.length === 0) {
    tx.later(tx.q.deleteFrom('volume_groups').where('id', '=', group.id));
    return [];
  }
  if (!withVolumes) {
    throw invalidGroup(
      `Group ${group.id} still contains volumes. The delete-volumes flag is required to delete it.`,
    );
  }
  await checkVolumes(tx, group);
  tx.later(
    tx.q
      .updateTable('volume_groups')
      .set({ status: 'deleting', updated_at: sqlTime(context.app.clock.now()) })
      .where('id', '=', group.id),
  );
  const begun: OperationId[] = [];
  for (const volume of volumes) {
    // One that is going already has an operation that knows of the group.
    if (volume.status !== 'deleting') begun.push(await dropVolume(context, tx, group, volume.id));
  }
  return begun;
}

/** @throws ApiError 400 */
async function checkUnneeded(tx: Tx, group: GroupRow): Promise<void> {
  const snapshots = await tx.rows(
    tx.q.selectFrom('group_snapshots').select('id').where('group_id', '=', group.id).limit(1),
  );
  if (snapshots.length > 0) throw invalidGroup('Group has existing snapshots.');
  const copies = await tx.rows(
    tx.q
      .selectFrom('volume_groups')
      .select('id')
      .where('project_id', '=', group.project_id)
      .where('source_group_id', '=', group.id)
      .where('status', '=', 'creating')
      .limit(1),
  );
  if (copies.length > 0) {
    throw invalidGroup(
      `Cannot delete group ${group.id}. It cannot be the source for an ongoing group or group snapshot creation.`,
    );
  }
}

/** @throws ApiError 400 in Cinder's words for what is most often in the way. */
async function checkVolumes(tx: Tx, group: GroupRow): Promise<void> {
  const attached = await tx.rows(
    tx.q
      .selectFrom('attachments')
      .innerJoin('volumes', 'volumes.id', 'attachments.volume_id')
      .select('attachments.id')
      .where('volumes.group_id', '=', group.id)
      .limit(1),
  );
  if (attached.length > 0) {
    throw invalidGroup(`Volume in group ${group.id} is attached. Need to detach first.`);
  }
  const snapshots = await tx.rows(
    tx.q
      .selectFrom('snapshots')
      .innerJoin('volumes', 'volumes.id', 'snapshots.volume_id')
      .select('snapshots.id')
      .where('volumes.group_id', '=', group.id)
      .limit(1),
  );
  if (snapshots.length > 0) throw invalidGroup('Volume in group still has dependent snapshots.');
}

/** The volume is locked. @throws LostRow */
function dropVolume(
  { app, caller, requestId }: RequestContext,
  tx: Tx,
  group: GroupRow,
  id: VolumeId,
): Promise<OperationId> {
  tx.must(
    tx.q
      .updateTable('volumes')
      .set({ status: 'deleting', updated_at: sqlTime(app.clock.now()) })
      .where('id', '=', id)
      .where('status', 'in', DELETABLE)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom(
                // A derived table, and a limit so that it stays one: no update may look at the table that it changes.
                eb
                  .selectFrom('volumes as made')
                  .select('made.id')
                  .where('made.source_volume_id', '=', id)
                  .where('made.status', '=', 'creating')
                  .limit(1)
                  .as('copies'),
              )
              .select('copies.id'),
          ),
        ),
      ),
  );
  return app.operations.begin(tx, {
    kind: 'volume.delete',
    volumeId: id,
    projectId: group.project_id,
    userId: caller.userId,
    requestId,
    input: { groupId: group.id },
  });
}
