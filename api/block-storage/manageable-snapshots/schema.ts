import { z } from 'zod';
import { printable255, stringMap, text255, uuid } from '#api/http/fields.ts';
import { manageableReplies } from '../manageable-volumes/replies.ts';

const reference = z.looseObject({ 'source-name': z.string().max(255, { error: 'is too long' }) });

const asked = z.strictObject({
  volume_id: uuid,
  /** Cinder leaves to drivers what a reference is; ours know a name. */
  ref: z.union([reference, z.string()]),
  name: text255.nullish(),
  description: printable255.nullish(),
  metadata: stringMap.nullish(),
});
export const manageBody = z.strictObject({ snapshot: asked });
export type Asked = z.output<typeof asked>;

export const { summaryReply, detailReply } = manageableReplies('manageable-snapshots', {
  /** The volume that it is of; empty when nobody can tell. */
  source_reference: z.record(z.string(), z.string()),
});

export const unmanageBody = z.strictObject({ 'os-unmanage': z.unknown() });
