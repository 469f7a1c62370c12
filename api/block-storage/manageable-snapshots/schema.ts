import { z } from 'zod';
import { links, stringMap, trimmed255, uuid } from '#api/http/fields.ts';

const reference = z.looseObject({ 'source-name': z.string().max(255, { error: 'is too long' }) });

const asked = z.strictObject({
  volume_id: uuid,
  /** Cinder leaves to drivers what a reference is; ours know a name. */
  ref: z.union([reference, z.string()]),
  name: trimmed255.nullish(),
  description: trimmed255.nullish(),
  metadata: stringMap.nullish(),
});
export const manageBody = z.strictObject({ snapshot: asked });
export type Asked = z.output<typeof asked>;

const summary = {
  reference: z.record(z.string(), z.string()),
  /** GiB, rounded up. */
  size: z.int(),
  safe_to_manage: z.boolean(),
  /** The volume that it is of; empty when nobody can tell. */
  source_reference: z.record(z.string(), z.string()),
};
const listed = { 'manageable-snapshots_links': links.optional() };
export const summaryReply = z.strictObject({
  'manageable-snapshots': z.array(z.strictObject(summary)),
  ...listed,
});
export const detailReply = z.strictObject({
  'manageable-snapshots': z.array(
    z.strictObject({
      ...summary,
      reason_not_safe: z.string().nullable(),
      cinder_id: z.string().nullable(),
      extra_info: z.record(z.string(), z.unknown()).nullable(),
    }),
  ),
  ...listed,
});

export const unmanageBody = z.strictObject({ 'os-unmanage': z.looseObject({}).nullable() });
