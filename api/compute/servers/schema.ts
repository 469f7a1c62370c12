/** Nova's servers on the wire (its API reference, "Servers (servers)" and "Servers - run an action"). */
import { z } from 'zod';
import { flag, links, novaName, sizeGib, stringMap, text255, uuid } from '#api/http/fields.ts';

const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
export const summary = z.strictObject({ id: z.string(), name: z.string(), links });
export const detail = z.strictObject({
  ...summary.shape,
  status: z.string(),
  tenant_id: z.string().nullable(),
  user_id: z.string().nullable(),
  created: instant,
  updated: instant,
  hostId: z.string(),
  flavor: z.union([
    z.strictObject({ id: z.string(), links }),
    z.strictObject({
      original_name: z.string(),
      vcpus: z.int(),
      ram: z.int(),
      disk: z.int(),
      ephemeral: z.int(),
      swap: z.int(),
      extra_specs: z.record(z.string(), z.string()),
    }),
  ]),
  addresses: z.strictObject({}),
  metadata: z.record(z.string(), z.string()),
  image: z.literal(''),
  key_name: z.null(),
  config_drive: z.literal(''),
  accessIPv4: z.literal(''),
  accessIPv6: z.literal(''),
  fault: z.strictObject({ code: z.literal(500), message: z.string(), created: instant }).optional(),
  locked: z.literal(false).optional(),
  description: z.null().optional(),
  tags: z.array(z.string()).optional(),
  'OS-DCF:diskConfig': z.literal('MANUAL'),
  'OS-EXT-STS:vm_state': z.string(),
  'OS-EXT-STS:task_state': z.string().nullable(),
  'OS-EXT-STS:power_state': z.int(),
  'OS-EXT-AZ:availability_zone': z.string(),
  'OS-EXT-SRV-ATTR:host': z.string().nullable().optional(),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': z.string().nullable().optional(),
  'os-extended-volumes:volumes_attached': z.array(
    z.strictObject({ id: z.string(), delete_on_termination: z.boolean().optional() }),
  ),
});

/** One of `block_device_mapping_v2`; what else clients send there says how a guest sees it, which is ours to choose. */
const mapping = z.looseObject({
  boot_index: z.union([z.int(), z.string().regex(/^-?\d{1,9}$/)]).nullish(),
  source_type: z
    .enum(['volume', 'image', 'snapshot', 'blank'], { error: 'is not volume, image, snapshot or blank' })
    .optional(),
  destination_type: z.enum(['volume', 'local'], { error: 'is not volume or local' }).optional(),
  uuid: uuid.nullish(),
  volume_size: sizeGib.nullish(),
  volume_type: text255.nullish(),
  delete_on_termination: flag.optional(),
  /** Not of the root, which is vda. */
  device_name: z
    .string()
    .regex(/^(\/dev\/)?(vd|sd|hd|xvd)[a-z]{1,3}$/, { error: 'is not a device like /dev/vdb' })
    .nullish(),
  tag: z.string().optional(),
});
export type Mapping = z.output<typeof mapping>;

const one = z.union([z.literal(1), z.literal('1')], {
  error: 'must be 1: one server at a time is made here',
});
/** Networks are nobody's business here: a server gets none. */
const networks = z.union([z.enum(['none', 'auto']), z.array(z.never()).max(0)], {
  error: 'must be none: servers have no network here',
});
const nothing = z.union([z.literal(''), z.literal(false), z.literal('False'), z.literal('false'), z.null()], {
  error: 'is not supported',
});

const newServer = z.strictObject({
  name: novaName,
  flavorRef: z.union([z.string().min(1), z.int().nonnegative().transform(String)]),
  imageRef: z.string().nullish(),
  block_device_mapping_v2: z.array(mapping).max(16).optional(),
  availability_zone: text255.nullish(),
  metadata: stringMap.optional(),
  networks: networks.optional(),
  min_count: one.optional(),
  max_count: one.optional(),
  config_drive: nothing.optional(),
  description: nothing.optional(),
  // They concern the network.
  security_groups: z.array(z.unknown()).optional(),
  // Nova's older ways to say what is the case here.
  'OS-DCF:diskConfig': z.enum(['AUTO', 'MANUAL']).optional(),
});
export type NewServer = z.output<typeof newServer>;

export const createBody = z.strictObject({
  server: newServer,
  'os:scheduler_hints': z.record(z.string(), z.unknown()).optional(),
  'OS-SCH-HNT:scheduler_hints': z.record(z.string(), z.unknown()).optional(),
});
export const createReply = z.strictObject({
  server: z.strictObject({ id: z.string(), links, 'OS-DCF:diskConfig': z.literal('MANUAL') }),
});

export const updateBody = z.strictObject({ server: z.strictObject({ name: novaName }) });

const empty = z.union([z.null(), z.strictObject({})]);
export const startBody = z.strictObject({ 'os-start': empty });
export const stopBody = z.strictObject({ 'os-stop': empty });
export const rebootBody = z.strictObject({
  reboot: z.strictObject({
    type: z
      .string()
      .regex(/^(soft|hard)$/i, { error: 'is not SOFT or HARD' })
      .transform((type) => (type.toUpperCase() === 'HARD' ? 'hard-reboot' : 'reboot')),
  }),
});
export const consoleBody = z.strictObject({
  'os-getConsoleOutput': z.union([
    z.null(),
    z.strictObject({ length: z.union([z.int(), z.string().regex(/^-?\d{1,9}$/)]).nullish() }),
  ]),
});
export const consoleReply = z.strictObject({ output: z.string() });
