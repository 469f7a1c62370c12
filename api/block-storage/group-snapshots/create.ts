import type { RequestContext } from '#api/http/context.ts';
import { invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type GroupSnapshotId, type OperationId, type VolumeId } from '#schema/ids.ts';
import type { GroupStatus, VolumeStatus } from '#schema/states.ts';
import { findGroup, invalidGroup, volumesOf } from '../groups/rows.ts';
import { charged } from '../quotas/charge.ts';
import { snapshotCharge } from '../quotas/charges.ts';
import { checkStorage } from '../services/down.ts';
import { refuseFrozen } from '../services/freeze.ts';
import { newSnapshot, type SnapshotRow } from '../snapshots/rows.ts';
import type { VolumeRow } from '../volumes/rows.ts';
import type { GroupSnapshotRow } from './rows.ts';
import type { NewGroupSnapshot } from './schema.ts';

const LEGAL = ['available', 'in-use'] as const satisfies readonly VolumeStatus[];
/** Its volumes are not yet what they will be. */
const CHANGING: readonly GroupStatus[] = ['creating', 'updating'];

/**
 * Begins a snapshot of each of the group's volumes, in one transaction. Each is taken by itself, as soon as its volume is
 * free: what was written to one volume after another's may be in one and not in the other.
 */
export async function createGroupSnapshot(context: RequestContext, wanted: NewGroupSnapshot): Promise<Reply> {
  const { app, caller } = context;
  const group = await findGroup(context, wanted.group_id);
  const members = (await volumesOf(context, [group.id])).get(group.id) ?? [];
  if (members.length === 0 || CHANGING.includes(group.status)) {
    throw invalidGroup(
      "Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be created.",
    );
  }
  const volumes = await readVolumes(context, members);
  const row: GroupSnapshotRow = {
    id: asId<GroupSnapshotId>(app.ids.uuid()),
    project_id: group.project_id,
    user_id: caller.userId,
    name: wanted.name ?? null,
    description: wanted.description ?? null,
    status: 'creating',
    group_id: group.id,
    group_type_id: group.group_type_id,
    created_at: sqlTime(app.clock.now()),
    updated_at: null,
  };
  const snapshots = volumes.map((volume) => ({ volume, snapshot: snapshotOf(context, row, volume) }));
  const begun = await charged(
    context,
    snapshots.map(({ volume, snapshot }) => snapshotCharge(snapshot, volume)),
    async (tx) => {
      tx.must(
        tx.q
          .updateTable('volume_groups')
          .set((eb) => ({ status: eb.ref('status') }))
          .where('id', '=', group.id)
          .where('status', 'not in', ['deleting', 'error_deleting', 'deleted']),
      );
      tx.later(tx.q.insertInto('group_snapshots').values(row));
      const operations: OperationId[] = [];
      for (const each of snapshots)
        operations.push(await begin(context, tx, row, each.volume, each.snapshot));
      return operations;
    },
  ).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw invalidGroup(`Group ${group.id} or one of its volumes has changed meanwhile.`);
  });
  for (const operation of begun) app.operations.submit(operation);
  const { id, name, group_type_id } = row;
  return { status: 202, body: { group_snapshot: { id, name, group_type_id } } };
}

/** @throws ApiError 400, or 409 where a host is down */
async function readVolumes({ app }: RequestContext, ids: readonly VolumeId[]): Promise<VolumeRow[]> {
  const found = await Promise.all(ids.map((id) => app.volumes.load(id)));
  const volumes = found.filter((volume) => volume !== undefined);
  await refuseFrozen(app, volumes);
  for (const volume of volumes) {
    if (!(LEGAL as readonly string[]).includes(volume.status)) {
      throw invalidVolume(
        `Volume ${volume.id} status must be ${LEGAL.join(' or ')}, but current status is: ${volume.status}.`,
      );
    }
    await checkStorage(app, volume);
  }
  return volumes;
}

/** As in Cinder it has the group snapshot's name. */
function snapshotOf(context: RequestContext, group: GroupSnapshotRow, volume: VolumeRow): SnapshotRow {
  const { id: group_snapshot_id, name, description, created_at } = group;
  return { ...newSnapshot(context, volume, { name, description }), group_snapshot_id, created_at };
}

function begin(
  { app, caller, requestId }: RequestContext,
  tx: Tx,
  { id: groupSnapshotId, group_id: groupId }: GroupSnapshotRow,
  volume: VolumeRow,
  snapshot: SnapshotRow,
): Promise<OperationId> {
  tx.must(
    tx.q
      .updateTable('volumes')
      .set((eb) => ({ status: eb.ref('status') }))
      .where('id', '=', volume.id)
      .where('size_gib', '=', volume.size_gib)
      .where('group_id', '=', groupId)
      .where('status', 'in', LEGAL),
  );
  tx.later(tx.q.insertInto('snapshots').values(snapshot));
  return app.operations.begin(tx, {
    kind: 'snapshot.create',
    volumeId: volume.id,
    projectId: snapshot.project_id,
    userId: caller.userId,
    requestId,
    input: { snapshotId: snapshot.id, groupSnapshotId },
  });
}
