/**
 * Cinder's older "Consistency groups" and "Consistency group snapshots" on the wire: other words for groups and their
 * snapshots. Their bodies are not looked at closely there: what is not known is passed over, and the words are Cinder's own,
 * not its validator's.
 */
import { z } from 'zod';
import { badRequest } from '#api/http/errors.ts';
import { flag, links, requiredElement, text255, time, upTo } from '#api/http/fields.ts';
import { TOO_MANY_CHARACTERS } from '#api/http/validation.ts';

/** A body of which one element counts. @throws ApiError 400 when it is not there */
function element<N extends string, S extends z.ZodType>(name: N, content: S) {
  return z.preprocess(
    (body) => {
      requiredElement(body, name);
      return body;
    },
    z.object({ [name]: content } as Record<N, S>),
  );
}

/** As Python sees it: `null`, `{}` and `[]`. */
function isEmpty(body: unknown): boolean {
  return body === null || (typeof body === 'object' && Object.keys(body).length === 0);
}

const text = (name: string) =>
  z
    .string({ error: `Invalid input received: ${name} is not a string or unicode` })
    .trim()
    .refine(upTo(255), { error: TOO_MANY_CHARACTERS })
    .meta({ maxLength: 255 })
    .nullish();
const named = { name: text('name'), description: text('description') };
/** Ids or names with commas between. */
const list = z.string().max(65_535, { error: 'is too long' }).nullish();

export const createBody = element(
  'consistencygroup',
  z.looseObject({ ...named, volume_types: list, availability_zone: text255.nullish() }),
);
export type NewGroup = z.output<typeof createBody>['consistencygroup'];
const id = z.string().max(255, { error: 'is too long' });
export const fromSourceBody = element(
  'consistencygroup-from-src',
  z.looseObject({ ...named, cgsnapshot_id: id.nullish(), source_cgid: id.nullish() }),
);
export type NewFromSource = z.output<typeof fromSourceBody>['consistencygroup-from-src'];
export const updateBody = z.preprocess(
  (body) => {
    if (isEmpty(body)) throw badRequest('Missing request body.');
    return body;
  },
  element('consistencygroup', z.looseObject({ ...named, add_volumes: list, remove_volumes: list })),
);
export type Changes = z.output<typeof updateBody>['consistencygroup'];
export const deleteBody = z.preprocess(
  (body) => (isEmpty(body) ? { consistencygroup: {} } : body),
  element(
    'consistencygroup',
    z.looseObject({
      force: z.preprocess((value) => {
        if (value === undefined || flag.safeParse(value).success) return value;
        // Cinder tells its own default.
        throw badRequest("Invalid value 'False' for force.");
      }, flag.optional()),
    }),
  ),
);
export const snapshotBody = element(
  'cgsnapshot',
  z.looseObject({ ...named, consistencygroup_id: id.nullish() }),
);

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
