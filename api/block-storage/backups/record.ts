/** A backup as text, by which another installation (or this one, its database lost) finds it in the store again. */
import { z } from 'zod';
import { invalidInput } from '#api/http/errors.ts';
import { isoTime, stringMap, text255, uuid } from '#api/http/fields.ts';
import type { BackupRow } from './rows.ts';

/** What Cinder would call the driver: its clients know a backup's service by how that begins. */
export const BACKUP_SERVICE = 'cinder.backup.drivers.restic.ResticBackupDriver';

const place = z.object({
  store: z.string().max(64),
  repository: uuid,
  data_id: uuid,
  volume: z.object({
    bootable: z.boolean(),
    metadata: stringMap,
    imageMetadata: stringMap.nullable(),
  }),
});

const record = z.object({
  id: uuid,
  size: z.int().min(1).max(2_147_483_647),
  volume_id: uuid,
  snapshot_id: uuid.nullish(),
  parent_id: uuid.nullish(),
  display_name: text255.nullish(),
  display_description: text255.nullish(),
  availability_zone: text255.nullish(),
  container: text255.nullish(),
  object_count: z.int().min(0).nullish(),
  data_timestamp: z.iso.datetime({ local: true, offset: true }).nullish(),
  metadata: stringMap.nullish(),
  service_metadata: z.string(),
});
export type BackupRecord = Omit<z.output<typeof record>, 'service_metadata'> & {
  readonly place: z.output<typeof place>;
};

export function encodeRecord(row: BackupRow): string {
  const text = JSON.stringify({
    id: row.id,
    user_id: row.user_id,
    project_id: row.project_id,
    volume_id: row.volume_id,
    snapshot_id: row.snapshot_id,
    parent_id: row.parent_id,
    host: row.host,
    availability_zone: row.availability_zone,
    container: row.container,
    display_name: row.name,
    display_description: row.description,
    size: row.size_gib,
    status: row.status,
    fail_reason: row.fail_reason,
    object_count: row.object_count,
    metadata: JSON.parse(row.metadata) as unknown,
    created_at: isoTime(row.created_at),
    data_timestamp: isoTime(row.data_timestamp),
    service: BACKUP_SERVICE,
    service_metadata: JSON.stringify({
      store: row.store,
      repository: row.repository,
      data_id: row.data_id,
      volume: JSON.parse(row.volume_details) as unknown,
    }),
  });
  return Buffer.from(text).toString('base64');
}

/** @throws ApiError 400 in Cinder's words. */
export function decodeRecord(text: string): BackupRecord {
  const fields = parsed(Buffer.from(text, 'base64').toString('utf8'));
  if (typeof fields !== 'object' || fields === null) throw invalidInput("Can't parse backup record.");
  if (!('id' in fields)) throw invalidInput('Provided backup record is missing an id');
  if (!('size' in fields)) throw invalidInput('Provided backup record is missing size attribute');
  const { data, error } = record.safeParse(fields);
  if (data === undefined) throw wrong(error);
  const { service_metadata, ...rest } = data;
  const where = place.safeParse(parsed(service_metadata));
  if (where.data === undefined) throw wrong(where.error, 'service_metadata.');
  return { ...rest, place: where.data };
}

function wrong({ issues: [issue] }: z.ZodError, of = ''): Error {
  return invalidInput(
    `Provided backup record: ${of}${issue?.path.map(String).join('.') ?? ''} ${issue?.message ?? 'is wrong'}`.slice(
      0,
      300,
    ),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalidInput("Can't parse backup record.");
  }
}
