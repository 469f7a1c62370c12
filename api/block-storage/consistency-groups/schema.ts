/**
 * Cinder's older "Consistency groups" and "Consistency group snapshots" on the wire: other words for groups and their
 * snapshots. Their bodies are not looked at closely there: what is not known is passed over.
 */
import { z } from 'zod';
import { flag, links, text255, time, trimmed255, uuid } from '#api/http/fields.ts';

const named = { name: trimmed255.nullish(), description: trimmed255.nullish() };
/** Ids or names with commas between. */
const list = z.string().max(65_535, { error: 'is too long' }).nullish();

export const createBody = z.strictObject({
  consistencygroup: z.looseObject({ ...named, volume_types: list, availability_zone: text255.nullish() }),
});
export const fromSourceBody = z.strictObject({
  'consistencygroup-from-src': z.looseObject({
    ...named,
    cgsnapshot_id: uuid.nullish(),
    source_cgid: uuid.nullish(),
  }),
});
export type NewFromSource = z.output<typeof fromSourceBody>['consistencygroup-from-src'];
export const updateBody = z.strictObject({
  consistencygroup: z.looseObject({ ...named, add_volumes: list, remove_volumes: list }),
});
export type Changes = z.output<typeof updateBody>['consistencygroup'];
export const deleteBody = z.strictObject({ consistencygroup: z.looseObject({ force: flag.optional() }) });
export const snapshotBody = z.strictObject({
  cgsnapshot: z.looseObject({
    ...named,
    consistencygroup_id: z.string({ error: "'consistencygroup_id' must be specified" }),
  }),
});

const listed = z.strictObject({ id: z.string(), name: z.string().nullable() });
const shown = { ...listed.shape, status: z.string(), created_at: time, description: z.string().nullable() };
const group = z.strictObject({
  ...shown,
  availability_zone: z.string(),
  volume_types: z.array(z.string()),
});
const snapshot = z.strictObject({ ...shown, consistencygroup_id: z.string() });

export const madeReply = z.strictObject({ consistencygroup: listed });
export const groupReply = z.strictObject({ consistencygroup: group });
export const groupsReply = z.strictObject({
  consistencygroups: z.array(listed),
  consistencygroup_links: links.optional(),
});
export const groupsDetailReply = groupsReply.extend({ consistencygroups: z.array(group) });
export const madeSnapshotReply = z.strictObject({ cgsnapshot: listed });
export const snapshotReply = z.strictObject({ cgsnapshot: snapshot });
export const snapshotsReply = z.strictObject({ cgsnapshots: z.array(listed) });
export const snapshotsDetailReply = z.strictObject({ cgsnapshots: z.array(snapshot) });
