import { z } from 'zod';
import { description255, flag, stringMap, text255 } from '#api/http/fields.ts';
import { hostSchema as host } from '../services/host-or-cluster.ts';
import { manageableReplies } from './replies.ts';

/** Cinder leaves to drivers what a reference is; ours know a name, and the id in a volume's name. */
const reference = z.record(z.string(), z.string().max(255, { error: 'is too long' }));

const asked = z.strictObject({
  host,
  cluster: text255.nullish(),
  ref: reference,
  name: text255.trim().nullish(),
  description: description255,
  volume_type: text255.nullish(),
  availability_zone: text255.nullish(),
  bootable: flag.optional(),
  metadata: stringMap.nullish(),
});
export const manageBody = z.strictObject({ volume: asked });
export type Asked = z.output<typeof asked>;

export const { summaryReply, detailReply } = manageableReplies('manageable-volumes', {});

export const unmanageBody = z.strictObject({ 'os-unmanage': z.unknown() });
