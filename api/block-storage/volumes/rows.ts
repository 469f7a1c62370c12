import { CompiledQuery, type Kysely } from 'kysely';
import { BatchLoader } from '#api/http/batch.ts';
import type { RequestContext } from '#api/http/context.ts';
import { notFound } from '#api/http/errors.ts';
import { isUuid, type VolumeId } from '#schema/ids.ts';
import type { VolumeStatus } from '#schema/states.ts';
import type { AttachmentsTable, Tables, VolumesTable } from '#schema/tables.ts';

type Selected<T> = { readonly [K in keyof T]: T[K] };

/** A volume as it is shown, with its type's name. */
export type VolumeRow = Selected<
  Omit<VolumesTable, 'bootable' | 'multiattach' | 'seq' | 'number'> & {
    bootable: 0 | 1;
    multiattach: 0 | 1;
    type_name: string | null;
  }
>;

export type AttachmentRow = Pick<
  AttachmentsTable,
  'id' | 'volume_id' | 'server_id' | 'host' | 'mountpoint' | 'mode' | 'initiator' | 'status' | 'attached_at'
>;

/** Columns and tables of every query whose rows become VolumeRows. */
export const SELECT_VOLUMES = `SELECT v.id, v.project_id, v.user_id, v.name, v.description, v.size_gib, v.status,
  v.availability_zone, v.pool, v.volume_type_id, v.bootable, v.multiattach, v.metadata, v.operation_id, v.source_volume_id,
  v.snapshot_id, v.image_metadata, v.readonly, v.migration_status, v.group_id, v.encryption_key_id, v.created_at, v.updated_at, t.name AS type_name FROM volumes v LEFT JOIN volume_types t ON t.id = v.volume_type_id`;

/** Statuses in which a volume can have no attachment: theirs need no look. */
const UNATTACHED: ReadonlySet<VolumeStatus> = new Set<VolumeStatus>(['creating', 'available', 'deleting']);

export type VolumeLoader = BatchLoader<VolumeRow>;

/** Two queries at a time: enough to keep MySQL busy, few enough for batches to form under load. */
const MAX_IN_FLIGHT = 2;

export function createVolumeLoader(db: Kysely<Tables>): VolumeLoader {
  return new BatchLoader(async (ids) => {
    const marks = ids.length === 1 ? '= ?' : `IN (${'?,'.repeat(ids.length - 1)}?)`;
    const { rows } = await db.executeQuery<VolumeRow>(
      CompiledQuery.raw(`${SELECT_VOLUMES} WHERE v.id ${marks}`, ids as string[]),
    );
    return new Map(rows.map((row) => [row.id as string, row]));
  }, MAX_IN_FLIGHT);
}

/** @throws ApiError 404 when there is none, or it is another project's. */
export async function findVolume(context: RequestContext, id: string): Promise<VolumeRow> {
  const { app, caller } = context;
  const row = isUuid(id) ? await app.volumes.load(id.toLowerCase()) : undefined;
  if (row === undefined || (row.project_id !== caller.projectId && !caller.seesAllProjects)) {
    throw notFound('Volume', id.slice(0, 255));
  }
  return row;
}

const SELECT_ATTACHMENTS = `SELECT id, volume_id, server_id, host, mountpoint, mode, initiator, status, attached_at FROM attachments
  WHERE volume_id IN `;

/** The attachments of those volumes that can have any. */
export async function attachmentsOf(
  db: Kysely<Tables>,
  volumes: readonly VolumeRow[],
): Promise<ReadonlyMap<VolumeId, readonly AttachmentRow[]>> {
  const ids = volumes.filter((row) => !UNATTACHED.has(row.status)).map((row) => row.id);
  if (ids.length === 0) return NONE;
  const { rows } = await db.executeQuery<AttachmentRow>(
    CompiledQuery.raw(`${SELECT_ATTACHMENTS} (${'?,'.repeat(ids.length - 1)}?)`, ids),
  );
  return Map.groupBy(rows, (row) => row.volume_id);
}

const NONE: ReadonlyMap<VolumeId, readonly AttachmentRow[]> = new Map();
