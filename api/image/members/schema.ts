/** Glance's image members on the wire (its API reference, "Sharing"). */
import { z } from 'zod';

export const MEMBER_STATUSES = ['pending', 'accepted', 'rejected'] as const;

/** A project's id. */
const memberId = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: 'is not the id of a project' });

export const createBody = z.looseObject({ member: memberId });
export const updateBody = z.looseObject({
  status: z.enum(MEMBER_STATUSES, { error: `is not one of ${MEMBER_STATUSES.join(', ')}` }),
});

const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
export const memberReply = z.strictObject({
  image_id: z.string(),
  member_id: z.string(),
  status: z.enum(MEMBER_STATUSES),
  created_at: time,
  updated_at: time,
  schema: z.literal('/v2/schemas/member'),
});
export const membersReply = z.strictObject({
  members: z.array(memberReply),
  schema: z.literal('/v2/schemas/members'),
});
