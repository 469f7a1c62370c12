/**
 * What a conductor asks of an agent: one BullMQ job on the host's queue per task. All tasks *ensure*: each may run
 * twice, or after its caller has died. Secrets in them are encrypted (queues/secrets.ts).
 */
import { z } from 'zod';
import { REMOVABLE_KINDS } from './inventory.ts';
import { IOTUNE_KEYS } from './iotune.ts';
import { luks } from './luks.ts';

const uuid = z.string();
const chap = z.strictObject({ username: z.string(), /** encrypted */ secret: z.string() });

/** One initiator that may log in, with its own CHAP account. */
const acl = z.strictObject({ initiator: z.string(), chap });
export type Acl = z.infer<typeof acl>;

/** Where an export can be reached. */
const connection = z.strictObject({
  /** `address:port`, IPv6 in brackets. */
  portals: z.array(z.string()).min(1),
  iqn: z.string(),
  lun: z.number().int(),
});
export type Connection = z.infer<typeof connection>;

const iotune = z.strictObject({
  ...(Object.fromEntries(
    IOTUNE_KEYS.map((key) => [key, z.number().int().nonnegative().optional()]),
  ) as Record<(typeof IOTUNE_KEYS)[number], z.ZodOptional<z.ZodNumber>>),
  group_name: z.string().optional(),
});

const stored = { volumeId: uuid, backend: z.string() };
/** Data that get another encryption: how they are encrypted, and how they shall be; neither means in clear. */
const recoded = { was: luks.optional(), luks: luks.optional() };
const plugged = { volumeId: uuid, serverId: uuid };

/** The formats of image data that are understood; found by inspection, never taken on trust. */
export const DISK_FORMATS = ['raw', 'qcow2', 'vmdk', 'vhdx'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** Image data that an image service holds (ours or a Glance: the storage agent's configuration says which). */
const imageSource = z.strictObject({
  id: uuid,
  diskFormat: z.enum(DISK_FORMATS),
  /** Bytes of data as stored. */
  sizeBytes: z.number().int().nonnegative(),
  /** Of the data as stored, in hexadecimal; null when the service knows none. */
  md5: z.string().nullable(),
  sha512: z.string().nullable(),
  /** They are an encrypted volume's, header and all, and are copied as they are. */
  encrypted: z.literal(true).optional(),
});
export type ImageSource = z.infer<typeof imageSource>;

/** Where a backup's data are: in which store, under which names. */
const backupData = {
  store: z.string(),
  repository: uuid,
  dataId: uuid,
};

const fromSnapshot = z.strictObject({ kind: z.literal('snapshot'), snapshotId: uuid, volumeId: uuid });
const fromImage = z.strictObject({ kind: z.literal('image'), image: imageSource });

/** What a new volume holds at first; a volume or a snapshot lies on the same backend. */
const volumeSource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('volume'), volumeId: uuid }),
  fromSnapshot,
  fromImage,
  z.strictObject({ kind: z.literal('backup'), backupId: uuid, ...backupData }),
]);
export type VolumeSource = z.infer<typeof volumeSource>;

/** Where a volume lies that is to lie in another backend as well: in one of the same agent, or behind another's export. */
const copySource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('local'), backend: z.string() }),
  z.strictObject({ kind: z.literal('export'), connection, initiator: z.string() }),
]);
export type CopySource = z.infer<typeof copySource>;

/** How a compute agent reaches an export and plugs it in. */
const plug = {
  connection,
  initiator: z.string(),
  chap,
  iotune,
  bus: z.enum(['virtio', 'scsi', 'sata']),
  /** `/dev/vdX` or `vdX`; null takes the first free one. */
  device: z.string().nullable(),
  readonly: z.boolean(),
  /** QEMU decrypts what it reads there. */
  luks: luks.optional(),
};

/** Task name → what it takes and answers. The agents' handler tables are checked against it at start. */
export const TASKS = {
  /**
   * Make sure a volume of this size exists, whole: one that is still being filled from its source never has the
   * volume's name. One that exists is not filled again; one without a source shows zeroes. Answers its true size in bytes.
   * `luks`: it is formatted, and an image encrypted that is not yet; the data of any other source are so already.
   */
  'volume.ensure': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      sizeGib: z.number().int().positive(),
      source: volumeSource.optional(),
      luks: luks.optional(),
    }),
    output: z.strictObject({ sizeBytes: z.number() }),
  },
  /** Grow to this size; never shrinks. */
  'volume.grow': {
    agent: 'storage',
    input: z.strictObject({ ...stored, sizeGib: z.number().int().positive() }),
    output: z.strictObject({ sizeBytes: z.number() }),
  },
  /** Wipe as the backend requires and remove; refuses while the volume is exported. */
  'volume.absent': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      /** The host's backend that keeps the volume: where both names mean the same place, nothing is removed. */
      keptIn: z.string().min(1).optional(),
    }),
    output: z.strictObject({}),
  },
  /** A snapshot of the volume as it is now; one that exists is left as it is. */
  'snapshot.ensure': {
    agent: 'storage',
    input: z.strictObject({ ...stored, snapshotId: uuid }),
    output: z.strictObject({}),
  },
  'snapshot.absent': {
    agent: 'storage',
    input: z.strictObject({ ...stored, snapshotId: uuid }),
    output: z.strictObject({}),
  },
  /**
   * Remove exactly this file or logical volume, wiped as the backend requires: what MySQL knows nothing of, or what an
   * operation that was cut short has left. Refuses what is exported or open.
   */
  'storage.remove': {
    agent: 'storage',
    input: z.strictObject({ backend: z.string(), kind: z.enum(REMOVABLE_KINDS), id: uuid }),
    output: z.strictObject({}),
  },
  /** Cut everybody off and remove the export of a volume that MySQL knows nothing of. */
  'export.absent': {
    agent: 'storage',
    input: z.strictObject({ volumeId: uuid }),
    output: z.strictObject({}),
  },
  /**
   * Take something of that name which is none of ours for this volume: it gets the volume's name and, where it must, grows to a
   * whole number of GiB. One that has the volume's name already is left. Refuses what is open, or not of this size.
   */
  'volume.adopt': {
    agent: 'storage',
    input: z.strictObject({ ...stored, name: z.string(), sizeGib: z.number().int().positive() }),
    output: z.strictObject({ sizeBytes: z.number() }),
  },
  /** Give the volume that name, by which nobody takes it for ours; its data stay. Refuses while it is exported. */
  'volume.release': {
    agent: 'storage',
    input: z.strictObject({ ...stored, name: z.string() }),
    output: z.strictObject({}),
  },
  /**
   * Make sure that the volume lies in this backend too, whole, with the data that it has elsewhere, where nobody writes to it:
   * they are copied and then compared byte by byte. One that is there is left alone.
   */
  'volume.copy': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      sizeGib: z.number().int().positive(),
      from: copySource,
      /** For an export. */
      chap: chap.optional(),
      ...recoded,
    }),
    output: z.strictObject({ sizeBytes: z.number() }),
  },
  /**
   * Make sure that the volume's data lie beside it in its own backend too, whole and compared, with the other encryption. The volume
   * itself stays as it is. Refuses while the volume is exported, or where its end has no room for a header.
   */
  'volume.stage': {
    agent: 'storage',
    input: z.strictObject({ ...stored, sizeGib: z.number().int().positive(), ...recoded }),
    output: z.strictObject({}),
  },
  /** Remove what has been made beside the volume; missing is success. */
  'volume.unstage': { agent: 'storage', input: z.strictObject(stored), output: z.strictObject({}) },
  /**
   * Let what has been made beside the volume take its place; what was there may stay as `deleting`, for `storage.remove`. Where nothing
   * lies beside it, that has been done: only ask once it is known to be whole.
   */
  'volume.replace': { agent: 'storage', input: z.strictObject(stored), output: z.strictObject({}) },
  /**
   * Give the volume the data of a snapshot of its own, or of an image, and zeroes after them. What it has had is gone only once
   * they are all there; a run that was cut short goes on where it was. Refuses while the volume is exported.
   */
  'volume.rewrite': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      sizeGib: z.number().int().positive(),
      source: z.discriminatedUnion('kind', [fromSnapshot, fromImage]),
      /** An image is encrypted on its way. */
      luks: luks.optional(),
    }),
    output: z.strictObject({}),
  },
  /** As `volume.adopt`, for a snapshot of this volume, of this size. */
  'snapshot.adopt': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      snapshotId: uuid,
      name: z.string(),
      sizeGib: z.number().int().positive(),
    }),
    output: z.strictObject({}),
  },
  /** As `volume.release`, for a snapshot. */
  'snapshot.release': {
    agent: 'storage',
    input: z.strictObject({ ...stored, snapshotId: uuid, name: z.string() }),
    output: z.strictObject({}),
  },
  /** Write the volume's data, in this format, to the image service as the data of an image that is `queued` there. */
  'volume.upload': {
    agent: 'storage',
    input: z.strictObject({ ...stored, imageId: uuid, diskFormat: z.enum(DISK_FORMATS) }),
    output: z.strictObject({}),
  },
  /**
   * Back up the volume, or one of its snapshots, as it is at one moment; data that are there whole are left as they are.
   * Answers how many pieces it added to the store.
   */
  'backup.ensure': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      ...backupData,
      snapshotId: uuid.nullable(),
      sizeGib: z.number().int(),
    }),
    output: z.strictObject({ objects: z.number().int().nonnegative() }),
  },
  /** Remove a backup's data, and what of the store no other backup needs; missing is success. */
  'backup.absent': { agent: 'storage', input: z.strictObject(backupData), output: z.strictObject({}) },
  /** Look whether the data of a backup are there, and of this size. */
  'backup.find': {
    agent: 'storage',
    input: z.strictObject({ ...backupData, sizeGib: z.number().int() }),
    output: z.strictObject({}),
  },
  /**
   * Give the volume a backup's data, and zeroes after them; it keeps what it has until they are all there. Refuses while the
   * volume is exported to somebody.
   */
  'backup.restore': {
    agent: 'storage',
    input: z.strictObject({ ...stored, ...backupData, sizeGib: z.number().int() }),
    output: z.strictObject({}),
  },
  /**
   * Make the volume's export have exactly these ACLs; an initiator that is not among them is cut off, its sessions
   * included. An empty list removes the export (and `connection` is null).
   */
  'export.ensure': {
    agent: 'storage',
    input: z.strictObject({
      ...stored,
      /** Unique among all volumes, and the volume's for life: LIO's backstore index. */
      number: z.number().int().positive(),
      acls: z.array(acl),
      /**
       * Initiators that must be shut out when this succeeds: neither let in nor with a session left, read back from the
       * target; else it fails and says what is left. Only asked for where nobody can vouch for their host.
       */
      shutOut: z.array(z.string()).optional(),
    }),
    output: z.strictObject({ connection: connection.nullable() }),
  },
  /** Connect to the export and plug it into the guest, live (if it runs) and persistent. */
  'disk.attach': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, ...plug }),
    output: z.strictObject({ device: z.string() }),
  },
  /** Persistent first, then live, waiting for the guest; then disconnect. Fails with `guest-busy` and nothing cut. */
  'disk.detach': {
    agent: 'compute',
    input: z.strictObject({
      ...plugged,
      connection: connection.nullable(),
      /** The server is being deleted: the guest is not asked, it is switched off first if it still runs. */
      serverGone: z.boolean().optional(),
    }),
    output: z.strictObject({}),
  },
  /**
   * Clear away what is left of a volume that was taken from this host while it was away: its export knows this host no
   * longer, so nothing is flushed and the guest is asked for seconds only; one that keeps the disk is switched off, and on
   * again without it. A server whose root volume it was is switched off and forgotten.
   */
  'disk.evict': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, connection: connection.nullable(), root: z.boolean() }),
    output: z.strictObject({
      /** What became of the guest. */
      guest: z.enum(['none', 'off', 'let-go', 'restarted', 'removed']),
    }),
  },
  /** Remove what this host has of the volume outside of domains; refuses while a domain has it. */
  'connection.absent': {
    agent: 'compute',
    input: z.strictObject({ volumeId: uuid }),
    output: z.strictObject({}),
  },
  /** Set the full set of limits, live and persistent. */
  'disk.tune': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, iotune }),
    output: z.strictObject({}),
  },
  /** Tell the guest that its disk has grown to this size. */
  'disk.resize': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, sizeBytes: z.number() }),
    output: z.strictObject({}),
  },
  /** Connect the root volume, define the server with it as its only disk, to be started with the host, and start it. */
  'server.ensure': {
    agent: 'compute',
    input: z.strictObject({
      ...plugged,
      ...plug,
      name: z.string(),
      projectId: z.string(),
      vcpus: z.number().int().positive(),
      memoryMib: z.number().int().positive(),
    }),
    output: z.strictObject({ device: z.string() }),
  },
  /** Switch the server off, take its root volume from it, disconnect that, and forget the server. */
  'server.absent': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, connection: connection.nullable() }),
    output: z.strictObject({}),
  },
  /** `stop` and `reboot` ask the guest first, `hard-reboot` doesn't. A stopped server stays off when its host restarts. */
  'server.power': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, action: z.enum(['start', 'stop', 'reboot', 'hard-reboot']) }),
    output: z.strictObject({}),
  },
} as const;

export type TaskName = keyof typeof TASKS;
export type TaskInput<N extends TaskName> = z.infer<(typeof TASKS)[N]['input']>;
export type TaskOutput<N extends TaskName> = z.infer<(typeof TASKS)[N]['output']>;
export type AgentKind = (typeof TASKS)[TaskName]['agent'];
export type TasksOf<K extends AgentKind> = {
  [N in TaskName]: (typeof TASKS)[N]['agent'] extends K ? N : never;
}[TaskName];

/** A job's payload on an agent's queue. */
export interface TaskEnvelope {
  /** Whose line the task stands in: the volume's, or `<volume>.<lane>` for one beside it. */
  readonly volumeId: string;
  /** Per-volume sequence number from MySQL; older than the newest carried out = refused. */
  readonly seq: number;
  /** For logs. */
  readonly requestId: string;
  /** W3C trace context of the step, when the request is traced. */
  readonly traceparent?: string;
  readonly input: unknown;
}

/** Why a task failed, in words a program can switch on. `failed` alone is worth another try. */
export const TASK_ERROR_CODES = ['failed', 'stale', 'guest-busy', 'not-found', 'invalid', 'refused'] as const;
export type TaskErrorCode = (typeof TASK_ERROR_CODES)[number];

/** The error an agent's handler throws; it crosses Redis as `code: message`. */
export class TaskError extends Error {
  override readonly name = 'TaskError';
  readonly code: TaskErrorCode;

  constructor(code: TaskErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
