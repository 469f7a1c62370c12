import type { RequestContext } from '#api/http/context.ts';
import type { Reply } from '#api/http/route.ts';
import { isDuplicate } from '#api/http/sql-errors.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type BackupId, type SnapshotId, type VolumeId } from '#schema/ids.ts';
import { charged } from '../quotas/charge.ts';
import { refuseEncrypted } from '../volumes/encryption.ts';
import { findBackupHost, noBackupService } from './hosts.ts';
import { BACKUP_SERVICE, type BackupRecord, decodeRecord, encodeRecord } from './record.ts';
import { type BackupRow, backupCharge, dataOf, findBackup, invalidBackup } from './rows.ts';
import { summaryView } from './view.ts';

export async function exportRecord(context: RequestContext, id: string): Promise<Reply> {
  const backup = await findBackup(context, id);
  refuseEncrypted(backup, 'exported: its key stays here');
  if (backup.status !== 'available') {
    throw invalidBackup(`Backup status must be available and not ${backup.status}.`);
  }
  const body = { backup_service: BACKUP_SERVICE, backup_url: encodeRecord(backup) };
  return { status: 200, body: { 'backup-record': body } };
}

/** Makes a backup of the caller's project of a record; it is available when its data have been found in the store. */
export async function importRecord(context: RequestContext, service: string, text: string): Promise<Reply> {
  const { app, caller } = context;
  if ((await findBackupHost(app, {})) === undefined) throw noBackupService(503, service);
  const record = decodeRecord(text);
  const host =
    service === BACKUP_SERVICE ? await findBackupHost(app, { store: record.place.store }) : undefined;
  if (host === undefined) {
    throw invalidBackup(
      `Import record failed, cannot find backup service to perform import. Request service ${service}`,
    );
  }
  const row = rowOf(context, record, host.agent);
  const operation = await charged(context, [backupCharge(row)], async (tx) => {
    const { dependents: _, ...values } = row;
    tx.later(tx.q.insertInto('backups').values(values));
    return app.operations.begin(tx, {
      kind: 'backup.import',
      volumeId: row.volume_id,
      backupId: row.id,
      projectId: row.project_id,
      userId: caller.userId,
      requestId: context.requestId,
      input: { data: dataOf(row), host: host.agent },
    });
  }).catch((error: unknown) => {
    throw isDuplicate(error) ? invalidBackup('Backup already exists in database.') : error;
  });
  app.operations.submit(operation);
  return { status: 201, body: { backup: summaryView(context, row) } };
}

function rowOf({ app, caller }: RequestContext, record: BackupRecord, host: BackupRow['host']): BackupRow {
  const now = sqlTime(app.clock.now());
  const { place } = record;
  return {
    id: asId<BackupId>(record.id),
    project_id: caller.projectId,
    user_id: caller.userId,
    volume_id: asId<VolumeId>(record.volume_id),
    snapshot_id: record.snapshot_id == null ? null : asId<SnapshotId>(record.snapshot_id),
    parent_id: record.parent_id == null ? null : asId<BackupId>(record.parent_id),
    name: record.display_name ?? null,
    description: record.display_description ?? null,
    size_gib: record.size,
    status: 'creating',
    availability_zone: record.availability_zone ?? null,
    container: record.container ?? null,
    host,
    store: place.store,
    repository: place.repository,
    data_id: place.data_id,
    object_count: record.object_count ?? 0,
    fail_reason: null,
    metadata: JSON.stringify(record.metadata ?? {}),
    volume_details: JSON.stringify(place.volume),
    data_timestamp: record.data_timestamp == null ? now : sqlTime(Date.parse(utc(record.data_timestamp))),
    restore_volume_id: null,
    encryption_key_id: null,
    seq: 0,
    operation_id: null,
    created_at: now,
    updated_at: null,
    dependents: 0,
  };
}

/** Without a zone it is UTC, as all times of the API are. */
function utc(text: string): string {
  return /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
}
