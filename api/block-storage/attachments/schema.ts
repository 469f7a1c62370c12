/** Cinder's "Attachments (attachments)", microversions 3.27, 3.44 and 3.54. */
import { z } from 'zod';
import { text255, time, uuid } from '#api/http/fields.ts';

/** RFC 7143 (iqn, eui, naa), at most 223 bytes; the API reference writes it with spaces, which no name has. */
const initiator = z
  .string()
  .max(223, { error: 'is too long' })
  .overwrite((name) => name.replaceAll(' ', ''))
  .regex(/^(iqn\.[0-9]{4}-[0-9]{2}\.|eui\.|naa\.)[A-Za-z0-9.:_-]+$/, { error: 'is not an iSCSI name' });

/** What a client says of the host that will connect; os-brick sends more than we use. */
export const connector = z.looseObject({
  initiator,
  host: text255.optional(),
  ip: text255.nullish(),
  mountpoint: text255.nullish(),
  mode: z.enum(['rw', 'ro', 'null']).nullish(),
  multipath: z.boolean().nullish(),
  enforce_multipath: z.boolean().nullish(),
});
export type Connector = z.output<typeof connector>;

/** An empty one is none, as in Cinder. */
const connectorOrNone = connector
  .partial({ initiator: true })
  .refine((given) => given.initiator !== undefined || Object.keys(given).length === 0, {
    error: "Invalid input received: Connector doesn't have required information: initiator",
  })
  .transform(({ initiator, ...rest }) => (initiator === undefined ? null : { ...rest, initiator }));

export const createBody = z.strictObject({
  attachment: z.strictObject({
    volume_uuid: uuid,
    instance_uuid: uuid.optional(),
    connector: connectorOrNone.nullish(),
    mode: z.enum(['rw', 'ro'], { error: "is not one of ['rw', 'ro']" }).optional(),
  }),
});
export type NewAttachment = z.output<typeof createBody>['attachment'];

export const updateBody = z.strictObject({ attachment: z.strictObject({ connector }) });
export const completeBody = z.strictObject({ 'os-complete': z.unknown() });

/** What os-brick's iSCSI connector is given. */
export const connectionData = z.strictObject({
  target_discovered: z.literal(false),
  target_portal: z.string(),
  target_iqn: z.string(),
  target_lun: z.int(),
  target_portals: z.array(z.string()).optional(),
  target_iqns: z.array(z.string()).optional(),
  target_luns: z.array(z.int()).optional(),
  volume_id: z.string(),
  auth_method: z.literal('CHAP').optional(),
  auth_username: z.string().optional(),
  auth_password: z.string().optional(),
  encrypted: z.boolean(),
  qos_specs: z.record(z.string(), z.union([z.string(), z.int()])).nullable(),
  access_mode: z.enum(['rw', 'ro']),
  cacheable: z.boolean(),
  enforce_multipath: z.boolean(),
});
const connectionInfo = connectionData.extend({
  driver_volume_type: z.literal('iscsi'),
  attachment_id: z.string(),
});
export type ConnectionInfo = z.infer<typeof connectionInfo>;

const summary = z.strictObject({
  id: z.string(),
  status: z.string(),
  instance: z.string().nullable(),
  volume_id: z.string(),
});
const detail = summary.extend({
  attached_at: z.union([time, z.literal('')]),
  detached_at: z.literal(''),
  attach_mode: z.enum(['rw', 'ro', 'null']),
  connection_info: z.union([connectionInfo, z.strictObject({})]),
});
export const attachmentReply = z.strictObject({ attachment: detail });
export const attachmentsReply = z.strictObject({ attachments: z.array(summary) });
export const attachmentsDetailReply = z.strictObject({ attachments: z.array(detail) });
