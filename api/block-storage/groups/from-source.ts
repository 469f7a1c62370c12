import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import type { Tx } from '#queues/transaction.ts';
import type { GroupSnapshotId, OperationId, SnapshotId, VolumeId, VolumeTypeId } from '#schema/ids.ts';
import { findGroupSnapshot } from '../group-snapshots/rows.ts';
import { charged } from '../quotas/charge.ts';
import { type PreparedVolume, prepareVolume } from '../volumes/create.ts';
import { groupCharge, newGroup } from './create.ts';
import type { Membership } from './join.ts';
import { findGroup, type GroupRow, invalidGroup, typesOf } from './rows.ts';
import type { NewGroupFromSource } from './schema.ts';
import { summaryView } from './view.ts';

/** One volume to be made. As in Cinder the copies have no name of their own. */
interface Part {
  readonly volume_type: VolumeTypeId | null;
  readonly snapshot_id?: SnapshotId;
  readonly source_volid?: VolumeId;
}

/**
 * Makes a group whose volumes are copies of another's, or of what its group snapshot has kept: all of them are begun in one
 * transaction, or none, and the group is available when the last one is.
 */
export async function createGroupFromSource(
  context: RequestContext,
  wanted: NewGroupFromSource,
): Promise<Reply> {
  const { app } = context;
  const { origin, groupSnapshot, parts } = await readSource(context, wanted);
  const row: GroupRow = {
    ...newGroup(context, wanted),
    status: 'creating',
    availability_zone: origin.availability_zone,
    group_type_id: origin.group_type_id,
    group_snapshot_id: groupSnapshot,
    source_group_id: wanted.source_group_id === undefined ? null : origin.id,
  };
  // It is made by the same transaction, so there is nothing to hold.
  const membership: Membership = {
    id: row.id,
    availabilityZone: row.availability_zone,
    hold: () => undefined,
    lost: () => invalidGroup(''),
  };
  const volumes: PreparedVolume[] = [];
  for (const each of parts) volumes.push(await prepareVolume(context, { ...each }, membership));
  const types = new Set([
    ...((await typesOf(context, [origin.id])).get(origin.id) ?? []),
    ...parts.flatMap((each) => each.volume_type ?? []),
  ]);
  const begun = await charged(
    context,
    [groupCharge(row), ...volumes.map((volume) => volume.charge)],
    async (tx: Tx) => {
      tx.later(tx.q.insertInto('volume_groups').values(row));
      const mappings = [...types].map((id) => ({ group_id: row.id, volume_type_id: id }));
      if (mappings.length > 0) tx.later(tx.q.insertInto('volume_group_types').values(mappings));
      const operations: OperationId[] = [];
      for (const volume of volumes) operations.push(await volume.write(tx));
      return operations;
    },
  ).catch((error: unknown) => {
    for (const volume of volumes) throw volume.refusal(error) ?? error;
    throw error;
  });
  for (const operation of begun) app.operations.submit(operation);
  return { status: 202, body: { group: summaryView(row) } };
}

/** @throws ApiError 400 or 404 */
async function readSource(
  context: RequestContext,
  { group_snapshot_id: snapshotId, source_group_id: groupId }: NewGroupFromSource,
): Promise<{ origin: GroupRow; groupSnapshot: GroupSnapshotId | null; parts: Part[] }> {
  const { db } = context.app;
  if (snapshotId !== undefined) {
    const snapshot = await findGroupSnapshot(context, snapshotId);
    const origin = await findGroup(context, snapshot.group_id);
    const rows = await db
      .selectFrom('snapshots')
      .innerJoin('volumes', 'volumes.id', 'snapshots.volume_id')
      .select(['snapshots.id as snapshot_id', 'volumes.volume_type_id as volume_type'])
      .where('snapshots.group_snapshot_id', '=', snapshot.id)
      .orderBy('snapshots.id')
      .execute();
    if (rows.length === 0) throw invalidGroup('Group snapshot is empty. No group will be created.');
    return { origin, groupSnapshot: snapshot.id, parts: rows };
  }
  const origin = await findGroup(context, groupId ?? '');
  const rows = await db
    .selectFrom('volumes')
    .select(['id as source_volid', 'volume_type_id as volume_type'])
    .where('group_id', '=', origin.id)
    .orderBy('id')
    .execute();
  if (rows.length === 0) throw invalidGroup('Source Group is empty. No group will be created.');
  return { origin, groupSnapshot: null, parts: rows };
}
