import type { RequestContext } from '#api/http/context.ts';
import { ApiError, invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, type Tx } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type BackupId } from '#schema/ids.ts';
import type { BackedUpVolume } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import type { VolumeStatus } from '#schema/states.ts';
import { charged } from '../quotas/charge.ts';
import { checkStorage } from '../services/down.ts';
import { findSnapshot, type SnapshotRow } from '../snapshots/rows.ts';
import { unexpected } from '../versioned-body.ts';
import { hasKey, keyForCopy } from '../volumes/encryption.ts';
import { findVolume, type VolumeRow } from '../volumes/rows.ts';
import { findBackupHost, noBackupService } from './hosts.ts';
import { findParent } from './parent.ts';
import { type BackupRow, backupCharge, dataOf } from './rows.ts';
import type { NewBackup } from './schema.ts';
import { METADATA_SINCE, summaryView } from './view.ts';

const ZONE_SINCE = 51;

/** Backs a volume up, or a snapshot of it, as it is when its turn comes. */
export async function createBackup(context: RequestContext, wanted: NewBackup): Promise<Reply> {
  const { app, caller } = context;
  checkFields(context, wanted);
  const volume = await findVolume(context, wanted.volume_id);
  const snapshot = wanted.snapshot_id == null ? undefined : await findSnapshot(context, wanted.snapshot_id);
  const refused = (): ApiError => refusal(wanted, volume, snapshot);
  const from = legalStatuses(wanted);
  if (snapshot === undefined ? !from.includes(volume.status) : !isUsable(snapshot, volume)) throw refused();
  if (volume.pool === null) throw refused();
  const parent = wanted.incremental === true ? await findParent(context, volume, snapshot) : undefined;
  await checkStorage(app, volume);
  const host = await findBackupHost(app, { agent: poolParts(volume.pool).agent });
  if (host === undefined || (wanted.availability_zone || host.zone) !== host.zone) throw noBackupService(503);
  const now = sqlTime(app.clock.now());
  const id = asId<BackupId>(app.ids.uuid());
  const key = await keyForCopy(context, volume, id);
  const row: BackupRow = {
    id,
    project_id: caller.projectId,
    user_id: caller.userId,
    volume_id: volume.id,
    snapshot_id: snapshot?.id ?? null,
    parent_id: parent?.id ?? null,
    name: wanted.name ?? null,
    description: wanted.description ?? null,
    size_gib: snapshot?.size_gib ?? volume.size_gib,
    status: 'creating',
    availability_zone: wanted.availability_zone || host.zone,
    container: wanted.container ?? null,
    host: host.agent,
    store: host.store,
    repository: volume.id,
    data_id: id,
    object_count: 0,
    fail_reason: null,
    metadata: JSON.stringify(wanted.metadata ?? {}),
    volume_details: JSON.stringify(detailsOf(volume)),
    data_timestamp: snapshot?.created_at ?? now,
    restore_volume_id: null,
    encryption_key_id: key?.id ?? null,
    seq: 0,
    operation_id: null,
    created_at: now,
    updated_at: null,
    dependents: 0,
  };
  const pool = volume.pool;
  const operation = await charged(context, [backupCharge(row)], async (tx) => {
    hold(tx, now, volume, snapshot, from);
    if (parent !== undefined) holdParent(tx, parent);
    const { dependents: _, ...values } = row;
    key?.write(tx);
    tx.later(tx.q.insertInto('backups').values(values));
    return app.operations.begin(tx, {
      kind: 'backup.create',
      volumeId: volume.id,
      backupId: id,
      projectId: row.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { data: dataOf(row), pool, snapshotId: row.snapshot_id },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw refused();
  });
  app.operations.submit(operation);
  return { status: 202, body: { backup: summaryView(context, row) } };
}

function checkFields({ microversion }: RequestContext, wanted: NewBackup): void {
  const since: Partial<Record<keyof NewBackup, number>> = {
    metadata: METADATA_SINCE,
    availability_zone: ZONE_SINCE,
  };
  const early = Object.entries(since).filter(([key, minor]) => key in wanted && microversion < minor);
  if (early.length === 0) return;
  throw unexpected(
    'backup',
    wanted,
    early.map(([key]) => key),
  );
}

function legalStatuses({ force }: NewBackup): VolumeStatus[] {
  return force === true ? ['available', 'in-use'] : ['available'];
}

function isUsable(snapshot: SnapshotRow, volume: VolumeRow): boolean {
  return snapshot.volume_id === volume.id && snapshot.status === 'available';
}

/** Why not, in Cinder's words. */
function refusal({ force }: NewBackup, volume: VolumeRow, snapshot: SnapshotRow | undefined): ApiError {
  if (snapshot !== undefined && snapshot.volume_id !== volume.id) {
    return invalidVolume(`Volume ${volume.id} does not match with snapshot.volume_id ${snapshot.volume_id}.`);
  }
  if (snapshot !== undefined) {
    return new ApiError(
      400,
      `Invalid snapshot: Snapshot to be backed up must be available, but the current status is "${snapshot.status}".`,
    );
  }
  if (volume.status === 'in-use' && force !== true) {
    return invalidVolume('Backing up an in-use volume must use the force flag.');
  }
  return invalidVolume(
    `Volume to be backed up must be available or in-use, but the current status is "${volume.status}".`,
  );
}

/** Nobody else does anything with it meanwhile. @throws LostRow in the transaction */
function hold(
  tx: Tx,
  now: string,
  volume: VolumeRow,
  snapshot: SnapshotRow | undefined,
  from: VolumeStatus[],
): void {
  tx.must(
    snapshot === undefined
      ? tx.q
          .updateTable('volumes')
          .set({ status: 'backing-up', updated_at: now })
          .where('id', '=', volume.id)
          .where('size_gib', '=', volume.size_gib)
          .where('pool', '=', volume.pool)
          .where('project_id', '=', volume.project_id)
          .where(...hasKey(volume))
          .where('status', 'in', from)
      : tx.q
          .updateTable('snapshots')
          .set({ status: 'backing-up', updated_at: now })
          .where('id', '=', snapshot.id)
          .where('project_id', '=', snapshot.project_id)
          .where('status', '=', 'available'),
  );
}

/** It stays for as long as others are increments of it: whoever deletes it looks for them behind this lock. */
function holdParent(tx: Tx, { id }: Pick<BackupRow, 'id'>): void {
  tx.must(
    tx.q
      .updateTable('backups')
      .set((eb) => ({ seq: eb.ref('seq') }))
      .where('id', '=', id)
      .where('status', '=', 'available'),
  );
}

function detailsOf({
  bootable,
  metadata,
  image_metadata,
  encryption_key_id,
  volume_type_id,
}: VolumeRow): BackedUpVolume {
  return {
    bootable: bootable === 1,
    metadata: JSON.parse(metadata) as Record<string, string>,
    imageMetadata: image_metadata === null ? null : (JSON.parse(image_metadata) as Record<string, string>),
    ...(encryption_key_id !== null && { encryptedType: volume_type_id }),
  };
}
