import type { Generated } from 'kysely';
import type {
  AttachmentId,
  HostName,
  OperationId,
  PoolName,
  ProjectId,
  QosSpecId,
  ServerId,
  UserId,
  VolumeId,
  VolumeTypeId,
} from './ids.ts';
import type { AttachmentStatus, OperationState, StepState, VolumeStatus } from './states.ts';

/** A DATETIME(6) column: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC. */
type Time = string;
/** A JSON column, as text: parsed where it is used, passed on unparsed where it isn't. */
type JsonText = string;
/** TINYINT(1). */
type Flag = 0 | 1;

export interface VolumesTable {
  id: VolumeId;
  project_id: ProjectId;
  user_id: UserId;
  name: string | null;
  description: string | null;
  size_gib: number;
  status: VolumeStatus;
  availability_zone: string;
  /** Null until placement has reserved room. */
  pool: PoolName | null;
  volume_type_id: VolumeTypeId | null;
  bootable: Generated<Flag>;
  multiattach: Generated<Flag>;
  /** `{ [key]: string }` */
  metadata: JsonText;
  /** The newest sequence number given out; agents refuse tasks with an older one. */
  seq: Generated<number>;
  /** The operation that holds this volume; null when none does. */
  operation_id: OperationId | null;
  created_at: Time;
  updated_at: Time | null;
}

export interface VolumeTypesTable {
  id: VolumeTypeId;
  name: string;
  description: string | null;
  is_public: Flag;
  qos_specs_id: QosSpecId | null;
  extra_specs: JsonText;
  created_at: Time;
  updated_at: Time | null;
}

export interface QosSpecsTable {
  id: QosSpecId;
  name: string;
  consumer: 'front-end' | 'back-end' | 'both';
  specs: JsonText;
  created_at: Time;
  updated_at: Time | null;
}

export interface AttachmentsTable {
  id: AttachmentId;
  volume_id: VolumeId;
  project_id: ProjectId;
  server_id: ServerId | null;
  status: AttachmentStatus;
  /** The hypervisor's name; from the agent's report, or from the client's connector. */
  host: string | null;
  /** 1: our compute agent plugs it; 0: the client does (Cinder's own attachments API). */
  managed: Flag;
  mountpoint: string | null;
  mode: 'rw' | 'ro';
  /** The connector as the client gave it, or the agent's. */
  connector: JsonText | null;
  /** Portal, IQN, LUN as the storage agent answered; no secret. */
  connection: JsonText | null;
  initiator: string | null;
  chap_username: string | null;
  /** AES-256-GCM, see queues/secrets.ts. */
  chap_secret: string | null;
  attached_at: Time | null;
  created_at: Time;
  updated_at: Time | null;
}

export interface OperationsTable {
  id: OperationId;
  kind: string;
  state: OperationState;
  project_id: ProjectId;
  user_id: UserId;
  request_id: string;
  volume_id: VolumeId;
  attachment_id: AttachmentId | null;
  /** What the flow was asked for, fixed when the operation began. */
  input: JsonText;
  /** Raised by each conductor that takes the operation up; a former owner's writes then match no row. */
  epoch: Generated<number>;
  owner: string | null;
  /** The first of the sequence numbers that belong to this operation. */
  seq_base: number;
  error: string | null;
  created_at: Time;
  started_at: Time | null;
  ended_at: Time | null;
}

export interface OperationStepsTable {
  operation_id: OperationId;
  /** Order of appearance in the timeline, undos included. */
  position: number;
  name: string;
  direction: 'do' | 'undo';
  host: string;
  state: StepState;
  attempt: number;
  output: JsonText | null;
  error: string | null;
  started_at: Time;
  ended_at: Time | null;
}

export interface ServicesTable {
  id: Generated<number>;
  binary: 'blockyard-storage' | 'blockyard-compute' | 'blockyard-conductor';
  /** `host@backend` for storage, the host for the others. */
  host: string;
  /** The agent's queue: the host without the backend. */
  agent: HostName;
  availability_zone: string;
  disabled: Generated<Flag>;
  disabled_reason: string | null;
  version: string;
  /** Differs after each start of the process: a new one asks for its exports to be restored. */
  boot_id: string;
  /** For compute: its connector (`{ initiator, ip }`). */
  details: JsonText;
  last_seen_at: Time;
  updated_at: Time | null;
}

export interface PoolsTable {
  name: PoolName;
  service_host: string;
  agent: HostName;
  backend_name: string;
  availability_zone: string;
  /** Other capabilities, matched against extra specs. */
  capabilities: JsonText;
  total_gib: number;
  free_gib: number;
  reserved_percentage: number;
  max_over_subscription_ratio: number;
  thin: Flag;
  /** What our volumes there add up to, reserved before the agent makes them. */
  allocated_gib: Generated<number>;
  volume_count: Generated<number>;
  reported_at: Time;
}

export interface ServersTable {
  id: ServerId;
  host: HostName;
  project_id: ProjectId | null;
  name: string;
  /** Nova's words: ACTIVE, PAUSED, SHUTOFF … */
  status: string;
  vcpus: number;
  memory_mib: number;
  created_at: Time;
  updated_at: Time;
}

export interface Tables {
  volumes: VolumesTable;
  volume_types: VolumeTypesTable;
  qos_specs: QosSpecsTable;
  attachments: AttachmentsTable;
  operations: OperationsTable;
  operation_steps: OperationStepsTable;
  services: ServicesTable;
  pools: PoolsTable;
  servers: ServersTable;
}
