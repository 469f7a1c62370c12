import { z } from 'zod';

/** The two lists of what lies on a back end and could be managed. @param more what a list has besides, for each. */
export function manageableReplies(name: 'manageable-volumes' | 'manageable-snapshots', more: z.ZodRawShape) {
  const summary = {
    reference: z.record(z.string(), z.string()),
    /** GiB, rounded up. */
    size: z.int(),
    safe_to_manage: z.boolean(),
    ...more,
  };
  const detail = {
    ...summary,
    reason_not_safe: z.string().nullable(),
    cinder_id: z.string().nullable(),
    extra_info: z.record(z.string(), z.unknown()).nullable(),
  };
  const listOf = (item: z.ZodRawShape) => z.strictObject({ [name]: z.array(z.strictObject(item)) });
  return { summaryReply: listOf(summary), detailReply: listOf(detail) };
}
