/** Cinder's backups on the wire (its API reference, "Backups (backups)"). */
import { z } from 'zod';
import { description255, flag, links, stringMap, text255, time, uuid } from '#api/http/fields.ts';

const named = { name: text255.trim().nullish(), description: description255 };

const newBackup = z.strictObject({
  ...named,
  volume_id: uuid,
  container: text255.nullish(),
  incremental: flag.optional(),
  force: flag.optional(),
  snapshot_id: uuid.nullish(),
  /** From 3.43 on. */
  metadata: stringMap.nullish(),
  /** From 3.51 on. */
  availability_zone: text255.nullish(),
});
export type NewBackup = z.output<typeof newBackup>;

export const createBody = z.strictObject({ backup: newBackup });
export const updateBody = z.strictObject({
  backup: z.strictObject({ ...named, /** From 3.43 on. */ metadata: stringMap.optional() }),
});
export type BackupChanges = z.output<typeof updateBody>['backup'];

export const restoreBody = z.strictObject({
  restore: z.strictObject({ name: text255.nullish(), volume_id: uuid.nullish() }).nullable(),
});
export const resetStatusBody = z.strictObject({ 'os-reset_status': z.strictObject({ status: z.string() }) });
export const forceDeleteBody = z.strictObject({ 'os-force_delete': z.unknown() });

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\s*$/;
const record = {
  backup_service: text255,
  backup_url: z.string().min(1, { error: 'is too short' }).max(65_535, { error: 'is too long' }),
};
export const importBody = z.strictObject({
  'backup-record': z.strictObject({
    ...record,
    backup_url: record.backup_url.regex(BASE64, { error: "is not a 'base64'" }),
  }),
});

const summary = { id: z.string(), name: z.string().nullable(), links };
const detail = z.strictObject({
  ...summary,
  status: z.string(),
  size: z.int(),
  object_count: z.int(),
  availability_zone: z.string().nullable(),
  container: z.string().nullable(),
  created_at: time,
  updated_at: time.nullable(),
  description: z.string().nullable(),
  fail_reason: z.string().nullable(),
  volume_id: z.string(),
  is_incremental: z.boolean(),
  has_dependent_backups: z.boolean(),
  snapshot_id: z.string().nullable(),
  data_timestamp: time,
  metadata: z.record(z.string(), z.string()).optional(),
  'os-backup-project-attr:project_id': z.string().optional(),
  user_id: z.string().optional(),
  encryption_key_id: z.string().optional(),
});
const listed = { backups_links: links.optional(), count: z.int().optional() };

export const summaryReply = z.strictObject({ backup: z.strictObject(summary) });
export const backupReply = z.strictObject({ backup: detail });
export const backupsReply = z.strictObject({ backups: z.array(z.strictObject(summary)), ...listed });
export const backupsDetailReply = z.strictObject({ backups: z.array(detail), ...listed });
export const restoreReply = z.strictObject({
  restore: z.strictObject({
    backup_id: z.string(),
    volume_id: z.string(),
    volume_name: z.string().nullable(),
  }),
});
export const recordReply = z.strictObject({ 'backup-record': z.strictObject(record) });
