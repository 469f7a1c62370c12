/** Cinder's transfers on the wire (its API reference, "Volume transfer" and "Volume transfers (volume-transfers) (3.55 or later)"). */
import { z } from 'zod';
import { flag, links, time, upTo, uuid } from '#api/http/fields.ts';

const name = z
  .string()
  .trim()
  .min(1, { error: "The 'name' can not be empty." })
  .refine(upTo(255), { error: "The 'name' can not be greater than 255 characters." })
  .meta({ maxLength: 255 })
  .nullish();

export const createBody = z.strictObject({ transfer: z.strictObject({ volume_id: uuid, name }) });
export const createWithSnapshotsBody = z.strictObject({
  transfer: z.strictObject({ volume_id: uuid, name, no_snapshots: flag.optional() }),
});
export interface NewTransfer {
  readonly volume_id: string;
  readonly name?: string | null | undefined;
  readonly no_snapshots?: boolean | undefined;
}

export const acceptBody = z.strictObject({
  accept: z.strictObject({
    auth_key: z.union([z.string(), z.int()], { error: 'is not a string or an integer' }).transform(String),
  }),
});

const summary = { id: z.string(), volume_id: z.string(), name: z.string().nullable(), links };
const detail = {
  ...summary,
  created_at: time,
  no_snapshots: z.boolean().optional(),
  source_project_id: z.string().optional(),
  destination_project_id: z.null().optional(),
  accepted: z.literal(false).optional(),
};
export const createdReply = z.strictObject({ transfer: z.strictObject({ ...detail, auth_key: z.string() }) });
export const acceptedReply = z.strictObject({ transfer: z.strictObject(summary) });
export const transferReply = z.strictObject({ transfer: z.strictObject(detail) });
export const transfersReply = z.strictObject({
  transfers: z.array(z.strictObject(summary)),
  transfers_links: links.optional(),
});
export const transfersDetailReply = z.strictObject({
  transfers: z.array(z.strictObject(detail)),
  transfers_links: links.optional(),
});
