import type { RequestContext } from '#api/http/context.ts';
import { invalidVolume } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import type { BackedUpVolume } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import { charged } from '../quotas/charge.ts';
import { withoutName } from '../quotas/refusal.ts';
import { checkStorage } from '../services/down.ts';
import { prepareVolume } from '../volumes/create.ts';
import { hasKey, keyForCopy, keyOf, type VolumeKey } from '../volumes/encryption.ts';
import { findVolume, type VolumeRow } from '../volumes/rows.ts';
import { holdForRestore } from './hold.ts';
import { findBackupHost, noBackupService } from './hosts.ts';
import { type BackupRow, dataOf, findBackup, invalidBackup } from './rows.ts';

interface Wanted {
  readonly volume_id?: string | null | undefined;
  readonly name?: string | null | undefined;
}

/** Over a volume that exists, or to a new one of its own size. */
export async function restoreBackup(context: RequestContext, id: string, wanted: Wanted): Promise<Reply> {
  const backup = await findBackup(context, id);
  if (backup.status !== 'available') throw mustBeAvailable();
  const volume =
    wanted.volume_id == null
      ? await restoreToNew(context, backup, wanted.name ?? `restore_backup_${backup.id}`)
      : await restoreOver(context, backup, await findVolume(context, wanted.volume_id));
  const body = { backup_id: backup.id, volume_id: volume.id, volume_name: volume.name };
  return { status: 202, body: { restore: body } };
}

async function restoreToNew(context: RequestContext, backup: BackupRow, name: string): Promise<VolumeRow> {
  const prepared = await prepareVolume(context, {
    name,
    description: 'auto-created_from_restore_from_backup',
    size: backup.size_gib,
    backup_id: backup.id,
  });
  const { app } = context;
  const operation = await charged(context, [prepared.charge], (tx) => prepared.write(tx)).catch(
    (error: unknown) => {
      throw (
        prepared.refusal(error) ??
        withoutName(error, 'VolumeSizeExceedsAvailableQuota', 'VolumeLimitExceeded')
      );
    },
  );
  app.operations.submit(operation);
  return prepared.row;
}

async function restoreOver(
  context: RequestContext,
  backup: BackupRow,
  volume: VolumeRow,
): Promise<VolumeRow> {
  const { app, caller } = context;
  if (volume.status !== 'available' || volume.pool === null) throw volumeMustBeAvailable();
  if (backup.size_gib > volume.size_gib) {
    throw invalidVolume(
      `volume size ${volume.size_gib} is too small to restore backup of size ${backup.size_gib}.`,
    );
  }
  await checkStorage(app, volume);
  const { agent } = poolParts(volume.pool);
  if ((await findBackupHost(app, { agent, store: backup.store ?? '' })) === undefined)
    throw noBackupService(404);
  const details = JSON.parse(backup.volume_details) as Partial<BackedUpVolume>;
  const key = await keyAfter(context, backup, volume);
  const operation = await transaction(app.db, async (tx) => {
    key?.write(tx);
    // The lock comes first: what the conditions look at can't change behind their back.
    tx.later(tx.q.selectFrom('volumes').select('id').where('id', '=', volume.id).forUpdate());
    tx.must(
      tx.q
        .updateTable('volumes')
        .set({
          status: 'restoring-backup',
          updated_at: sqlTime(app.clock.now()),
          bootable: details.bootable === true ? 1 : 0,
          image_metadata: details.imageMetadata == null ? null : JSON.stringify(details.imageMetadata),
        })
        .where('id', '=', volume.id)
        .where('status', '=', 'available')
        .where('size_gib', '=', volume.size_gib)
        .where(...hasKey(volume))
        // A snapshot's data are opened with the volume's key.
        .where((eb) =>
          key === null
            ? eb.lit(true)
            : eb.not(eb.exists(eb.selectFrom('snapshots').select('id').where('volume_id', '=', volume.id))),
        ),
    );
    holdForRestore(tx, sqlTime(app.clock.now()), backup, volume.id);
    return app.operations.begin(tx, {
      kind: 'backup.restore',
      volumeId: volume.id,
      projectId: volume.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { data: dataOf(backup), backupId: backup.id, ...(key !== null && { keyId: key.id }) },
    });
  }).catch((error: unknown) => {
    if (!(error instanceof LostRow)) throw error;
    throw volumeMustBeAvailable();
  });
  app.operations.submit(operation);
  return volume;
}

/**
 * What the volume has to be opened with from then on; null when nothing changes.
 * @throws ApiError 400 where it could not be opened with one key.
 */
async function keyAfter(
  context: RequestContext,
  backup: BackupRow,
  volume: VolumeRow,
): Promise<VolumeKey | null> {
  const { app } = context;
  const [from, has] = [keyOf(backup), keyOf(volume)];
  if (from === null && has === null) return null;
  if (from === null || has === null)
    throw invalidVolume(
      `volume ${volume.id} is ${has === null ? 'not ' : ''}encrypted and backup ${backup.id} is${from === null ? ' not' : ''}: restore it to a new volume.`,
    );
  if (await app.keys.same(from, has)) return null;
  const snapshot = await app.db
    .selectFrom('snapshots')
    .select('id')
    .where('volume_id', '=', volume.id)
    .limit(1)
    .executeTakeFirst();
  if (snapshot !== undefined)
    throw invalidVolume(
      `volume ${volume.id} has snapshots, which backup ${backup.id} would leave without their key.`,
    );
  return keyForCopy(context, backup, volume.id, volume.project_id);
}

const mustBeAvailable = () => invalidBackup('Backup status must be available');
const volumeMustBeAvailable = () => invalidVolume('Volume to be restored to must be available');
