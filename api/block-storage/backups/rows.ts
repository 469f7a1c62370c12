import { type Selectable, sql } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, notFound } from '#api/http/errors.ts';
import { asId, type BackupId, isUuid } from '#schema/ids.ts';
import type { BackupData } from '#schema/operations.ts';
import type { BackupsTable } from '#schema/tables.ts';
import type { Charge } from '../quotas/charges.ts';

export interface BackupRow extends Selectable<BackupsTable> {
  /** 1 when others are increments of it. */
  readonly dependents: 0 | 1;
}

/** Cinder's InvalidBackup. */
export const invalidBackup = (reason: string): ApiError => new ApiError(400, `Invalid backup: ${reason}`);

/** `SELECT`'s list for a table alias `b`. */
export const BACKUP_COLUMNS = 'b.*, EXISTS (SELECT 1 FROM backups d WHERE d.parent_id = b.id) AS dependents';

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findBackup({ app, caller }: RequestContext, id: string): Promise<BackupRow> {
  const { rows } = isUuid(id)
    ? await sql<BackupRow>`SELECT ${sql.raw(BACKUP_COLUMNS)} FROM backups b
        WHERE b.id = ${asId<BackupId>(id.toLowerCase())}`.execute(app.db)
    : { rows: [] };
  const [row] = rows;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw notFound('Backup', id.slice(0, 255));
  }
  return row;
}

/** Where its data are. */
export function dataOf({ store, repository, data_id: dataId }: BackupRow): BackupData {
  return { store: store ?? '', repository, dataId };
}

export function backupCharge({
  project_id: project,
  size_gib: gib,
}: Pick<BackupRow, 'project_id' | 'size_gib'>): Charge {
  return { project, of: 'backups', amounts: { backups: 1, backup_gigabytes: gib } };
}
