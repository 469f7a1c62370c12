/**
 * What a host has, told by its agent when it is asked (schema/questions.ts): for comparing with what MySQL says should
 * be. Reading it changes nothing. No secret is ever in it.
 */
import { z } from 'zod';
import { IOTUNE_KEYS } from './iotune.ts';

/** What a piece of storage is by its name (storage-agent/names.ts); `foreign`: none of ours, whatever it is called. */
const STORED_KINDS = [
  'volume',
  'filling',
  'snapshot',
  'image',
  'imagefilling',
  'imagedeleting',
  'copying',
  'deleting',
  'replacing',
  'foreign',
] as const;
/** What may be removed by its kind and id alone; copies of images are the agent's own business. */
export const REMOVABLE_KINDS = ['volume', 'filling', 'snapshot', 'copying', 'deleting'] as const;
export type RemovableKind = (typeof REMOVABLE_KINDS)[number];

const stored = z.strictObject({
  kind: z.enum(STORED_KINDS),
  /** Of the file or logical volume. */
  name: z.string(),
  /** The id in the name; null for what is foreign. */
  id: z.string().nullable(),
  sizeBytes: z.number(),
  /** The name of the logical volume that it is a snapshot of. */
  origin: z.string().nullable(),
  /** Something has it open at this moment: an export, a mount, a guest; null when nobody can tell. */
  open: z.boolean().nullable(),
  /** Why it can be none of our volumes, in words; null when nothing speaks against it. */
  unfit: z.string().nullable(),
  /** Of a volume: it begins with a LUKS header of version 1. Null when nobody could look; agents before this field leave it out. */
  luks: z.boolean().nullable().optional(),
});
export type StoredItem = z.infer<typeof stored>;

const backend = z.strictObject({
  name: z.string(),
  backendName: z.string(),
  kind: z.string(),
  /** Where it keeps its volumes, the same for two that mean one folder or pool; agents before this field leave it out. */
  place: z.string().optional(),
  /** Null: could not be read (`error` says why), or it keeps nothing (noop, without an error). */
  items: z.array(stored).nullable(),
  error: z.string().nullable(),
});
export type BackendInventory = z.infer<typeof backend>;

const exported = z.strictObject({
  volumeId: z.string(),
  iqn: z.string(),
  /** What is offered; null when the target has no logical unit, or one that is not ready. */
  path: z.string().nullable(),
  lun: z.number().int().nullable(),
  /** The serial number that initiators see. */
  serial: z.string().nullable(),
  /** Initiators that may log in. */
  initiators: z.array(z.string()),
  /** Initiators that are logged in, each once for every session. */
  sessions: z.array(z.string()),
});
export type ExportItem = z.infer<typeof exported>;

export const storageInventory = z.strictObject({
  /** As in the agent's reports: differs once exports were lost. */
  bootId: z.string(),
  backends: z.array(backend),
  /** Null as above; a target of kind `none` exports nothing. */
  exports: z.array(exported).nullable(),
  exportsError: z.string().nullable(),
});
export type StorageInventory = z.infer<typeof storageInventory>;

const disk = z.strictObject({
  /** The volume that it is by its serial, alias or source, in that order. */
  volumeId: z.string(),
  /** For example `vdb`. */
  target: z.string().nullable(),
  serial: z.string().nullable(),
  alias: z.string().nullable(),
  /** `iscsi:<iqn>/<lun>` or a path below /dev. */
  source: z.string().nullable(),
  /** The volume in the source's own name; null when that names none. */
  sourceVolumeId: z.string().nullable(),
  readOnly: z.boolean(),
  /** How QEMU opens it, null where libvirt's document leaves it to QEMU; agents before this field leave it out. */
  opening: z
    .strictObject({
      /** `luks`; null when the guest sees what is stored. */
      encryption: z.string().nullable(),
      cache: z.string().nullable(),
      io: z.string().nullable(),
      discard: z.string().nullable(),
    })
    .optional(),
  /** What the running guest takes its size for, where QEMU told. */
  sizeBytes: z.number().optional(),
  /** Limits above zero. */
  iotune: z.strictObject({
    ...(Object.fromEntries(IOTUNE_KEYS.map((key) => [key, z.number().optional()])) as Record<
      (typeof IOTUNE_KEYS)[number],
      z.ZodOptional<z.ZodNumber>
    >),
    group_name: z.string().optional(),
  }),
});
export type DiskItem = z.infer<typeof disk>;

const domain = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** The volumes in the running guest; null when it is shut off. */
  live: z.array(disk).nullable(),
  /** Those in the definition it starts with next time; null for a transient domain. */
  config: z.array(disk).nullable(),
});
export type DomainItem = z.infer<typeof domain>;

const connection = z.strictObject({
  volumeId: z.string(),
  iqn: z.string(),
  /** Noted in the agent's journal. */
  journal: z.boolean(),
  /** open-iscsi has a record of it that is ours. */
  records: z.boolean(),
  /** The kernel's words for the state of each session (`LOGGED_IN`, `FAILED`, `FREE`). */
  sessions: z.array(z.string()),
  devices: z.array(
    z.strictObject({ lun: z.number().int(), block: z.string().nullable(), serial: z.string() }),
  ),
  /** udev's links to them below /dev/disk/by-path. */
  links: z.array(z.string()),
});
export type ConnectionItem = z.infer<typeof connection>;

export const computeInventory = z.strictObject({
  /** Null for a host without a hypervisor (noop). */
  domains: z.array(domain).nullable(),
  /** libvirt secrets of ours; only where QEMU logs in by itself. */
  secrets: z.array(z.strictObject({ uuid: z.string(), volumeId: z.string() })),
  /** Only where the kernel's initiator is used. */
  connections: z.array(connection),
});
export type ComputeInventory = z.infer<typeof computeInventory>;
