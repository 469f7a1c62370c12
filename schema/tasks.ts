/**
 * What a conductor asks of an agent: one BullMQ job on the host's queue per task. All tasks *ensure*: each may run
 * twice, or after its caller has died. Secrets in them are encrypted (queues/secrets.ts).
 */
import { z } from 'zod';
import { IOTUNE_KEYS } from './iotune.ts';

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
const plugged = { volumeId: uuid, serverId: uuid };

/** Task name → what it takes and answers. The agents' handler tables are checked against it at start. */
export const TASKS = {
  /** Make sure a volume of this size exists; answers its true size in bytes. */
  'volume.ensure': {
    agent: 'storage',
    input: z.strictObject({ ...stored, sizeGib: z.number().int().positive() }),
    output: z.strictObject({ sizeBytes: z.number() }),
  },
  /** Grow to this size; never shrinks. */
  'volume.grow': {
    agent: 'storage',
    input: z.strictObject({ ...stored, sizeGib: z.number().int().positive() }),
    output: z.strictObject({ sizeBytes: z.number() }),
  },
  /** Wipe as the backend requires and remove; refuses while the volume is exported. */
  'volume.absent': { agent: 'storage', input: z.strictObject(stored), output: z.strictObject({}) },
  /**
   * Make the volume's export have exactly these ACLs; an initiator that is not among them is cut off, its sessions
   * included. An empty list removes the export (and `connection` is null).
   */
  'export.ensure': {
    agent: 'storage',
    input: z.strictObject({ ...stored, acls: z.array(acl) }),
    output: z.strictObject({ connection: connection.nullable() }),
  },
  /** Connect to the export and plug it into the guest, live (if it runs) and persistent. */
  'disk.attach': {
    agent: 'compute',
    input: z.strictObject({
      ...plugged,
      connection,
      initiator: z.string(),
      chap,
      iotune,
      bus: z.enum(['virtio', 'scsi', 'sata']),
      /** `/dev/vdX` or `vdX`; null takes the first free one. */
      device: z.string().nullable(),
      readonly: z.boolean(),
    }),
    output: z.strictObject({ device: z.string() }),
  },
  /** Persistent first, then live, waiting for the guest; then disconnect. Fails with `guest-busy` and nothing cut. */
  'disk.detach': {
    agent: 'compute',
    input: z.strictObject({ ...plugged, connection: connection.nullable() }),
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
  readonly volumeId: string;
  /** Per-volume sequence number from MySQL; older than the newest carried out = refused. */
  readonly seq: number;
  /** For logs and traces. */
  readonly requestId: string;
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
