import { z } from 'zod';
import { flag, stringMap, text255, trimmed255 } from '#api/http/fields.ts';
import { manageableReplies } from './replies.ts';

/** Cinder leaves to drivers what a reference is; ours know a name, and the id in a volume's name. */
const reference = z.record(z.string(), z.string().max(255, { error: 'is too long' }));

const asked = z.strictObject({
  host: text255.min(1, { error: 'is too short' }).nullish(),
  cluster: text255.nullish(),
  ref: reference,
  name: trimmed255.nullish(),
  description: trimmed255.nullish(),
  volume_type: text255.nullish(),
  availability_zone: text255.nullish(),
  bootable: flag.nullish(),
  metadata: stringMap.nullish(),
});
export const manageBody = z.strictObject({ volume: asked });
export type Asked = z.output<typeof asked>;

export const { summaryReply, detailReply } = manageableReplies('manageable-volumes', {});

export const unmanageBody = z.strictObject({ 'os-unmanage': z.unknown() });
