import type { Generated } from 'kysely';
import type {
  AttachmentId,
  BackupId,
  EncryptionKeyId,
  EvictionId,
  FlavorId,
  GroupId,
  GroupSnapshotId,
  GroupTypeId,
  HostName,
  ImageId,
  OperationId,
  PoolName,
  ProjectId,
  QosSpecId,
  ServerId,
  SnapshotId,
  TransferId,
  UserId,
  VolumeId,
  VolumeTypeId,
} from './ids.ts';
import type { LuksCipher } from './luks.ts';
import type {
  AttachmentStatus,
  BackupStatus,
  GroupSnapshotStatus,
  GroupStatus,
  ImageStatus,
  OperationState,
  SnapshotStatus,
  StepState,
  VolumeStatus,
} from './states.ts';

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
  /** Counts up over all volumes and is never given out again: LIO's backstore index. */
  number: Generated<number>;
  /** What it was made from; the source may be gone by now. */
  source_volume_id: VolumeId | null;
  snapshot_id: SnapshotId | null;
  /** `volume_image_metadata`: `{ [key]: string }`; null for a volume that holds no image. */
  image_metadata: JsonText | null;
  /** Whether it may only be read; null until somebody has said so or otherwise. */
  readonly: Flag | null;
  /** How its newest move to another pool stands; null for one that was never moved. */
  migration_status: 'migrating' | 'completing' | 'success' | 'error' | null;
  group_id: GroupId | null;
  /** Null for a volume that is not encrypted. */
  encryption_key_id: EncryptionKeyId | null;
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
  /** The mode that the reservation was asked for; null when it named none. */
  mode_asked: 'rw' | 'ro' | null;
  /** The connector as the client gave it, or the agent's. */
  connector: JsonText | null;
  /** Portal, IQN, LUN as the storage agent answered; no secret. */
  connection: JsonText | null;
  initiator: string | null;
  chap_username: string | null;
  /** AES-256-GCM, see queues/secrets.ts. */
  chap_secret: string | null;
  /** 0 for a server's root volume, null otherwise. */
  boot_index: number | null;
  /** The volume goes with its server. */
  delete_on_termination: Generated<Flag>;
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
  /** The backup that it holds instead of the volume, which may be gone or another installation's. */
  backup_id: Generated<BackupId | null>;
  /** What the flow was asked for, fixed when the operation began. */
  input: JsonText;
  /** Raised by each conductor that takes the operation up; a former owner's writes then match no row. */
  epoch: Generated<number>;
  owner: string | null;
  /** The first of the sequence numbers that belong to this operation. */
  seq_base: number;
  /** W3C trace context of the request (`traceparent`); null when it is not traced. */
  traceparent: string | null;
  error: string | null;
  /** What its project has deleted of the messages about it: 1 that it waits, 2 that it failed. */
  dismissed: Generated<0 | 1 | 2>;
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
  /** Of the time between start and end: milliseconds before and between the agent's attempts. Null for the conductor's own. */
  wait_ms: number | null;
  /** `{ commands: CommandRecord[], omitted }` (schema/accounts.ts); null when the agent has not told. */
  commands: JsonText | null;
  started_at: Time;
  ended_at: Time | null;
}

export interface ServicesTable {
  id: Generated<number>;
  binary: 'blockyard-storage' | 'blockyard-compute' | 'blockyard-conductor' | 'blockyard-backup';
  /** `host@backend` for storage, the host for the others. */
  host: string;
  /** The agent's queue: the host without the backend. */
  agent: HostName;
  availability_zone: string;
  disabled: Generated<Flag>;
  disabled_reason: string | null;
  /** Frozen by an administrator: disabled until it is thawed. */
  frozen: Generated<Flag>;
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
  /** Null while no hypervisor has been chosen for it. */
  host: HostName | null;
  project_id: ProjectId | null;
  user_id: UserId | null;
  name: string;
  /** Nova's words: ACTIVE, PAUSED, SHUTOFF … */
  status: string;
  vcpus: number;
  memory_mib: number;
  /** Made through the API, from this volume; null for a domain that a compute agent found on its host. */
  root_volume_id: VolumeId | null;
  /** The flavor as it was when the server was made: `{ id, name, vcpus, ram, disk }`. */
  flavor: JsonText | null;
  /** Nova's word for what is being done to it (`spawning`, `deleting`, `powering-off` …). */
  task_state: string | null;
  /** Why it is in ERROR. */
  fault: string | null;
  /** `{ [key]: string }` */
  metadata: JsonText | null;
  created_at: Time;
  updated_at: Time;
}

export interface SnapshotsTable {
  id: SnapshotId;
  project_id: ProjectId;
  user_id: UserId;
  volume_id: VolumeId;
  name: string | null;
  description: string | null;
  /** The volume's size when it was made. */
  size_gib: number;
  status: SnapshotStatus;
  /** 1 while its room in the volume's pool is taken. */
  reserved: Generated<Flag>;
  group_snapshot_id: GroupSnapshotId | null;
  /** `80%`, where somebody has said so; null leaves it to the status. */
  progress: string | null;
  metadata: JsonText;
  created_at: Time;
  updated_at: Time | null;
}

export interface BackupsTable {
  id: BackupId;
  project_id: ProjectId;
  user_id: UserId;
  /** What it is of; may be gone by now. */
  volume_id: VolumeId;
  snapshot_id: SnapshotId | null;
  /** The backup that this one is an increment of. */
  parent_id: BackupId | null;
  name: string | null;
  description: string | null;
  size_gib: number;
  status: BackupStatus;
  availability_zone: string | null;
  container: string | null;
  /** The storage agent that made it. */
  host: HostName | null;
  /** Which of the installation's stores has its data (docs/backups.md). */
  store: string | null;
  /** The id after which its repository in the store is named: that of the volume. */
  repository: string;
  /** What its data are called in the repository; an imported backup may share them with another. */
  data_id: string;
  object_count: Generated<number>;
  fail_reason: string | null;
  /** `{ [key]: string }` */
  metadata: JsonText;
  /** What the volume was besides its data: `BackedUpVolume`. */
  volume_details: JsonText;
  /** The moment that the data are of. */
  data_timestamp: Time;
  restore_volume_id: VolumeId | null;
  encryption_key_id: EncryptionKeyId | null;
  /** As volumes have it: of the operations that hold the backup. */
  seq: Generated<number>;
  operation_id: OperationId | null;
  created_at: Time;
  updated_at: Time | null;
}

/** What a host that was away has to be rid of when it is back: a disk whose volume was taken from it by force. */
export interface EvictionsTable {
  id: EvictionId;
  /** The volume may be gone by now. */
  volume_id: VolumeId;
  server_id: ServerId;
  host: HostName;
  /** 1 for a server's root volume: the server goes with it. */
  root: Flag;
  /** As the attachment had it; null when the host never had the time to connect. */
  connection: JsonText | null;
  /** Of the task: newer than all that the host was asked about the volume before. */
  seq: number;
  /** The operation that took the volume away. */
  operation_id: OperationId;
  /** What the host answered when it was last tried. */
  error: string | null;
  created_at: Time;
}

export interface ImagesTable {
  id: ImageId;
  project_id: ProjectId;
  name: string | null;
  status: ImageStatus;
  visibility: 'public' | 'private' | 'shared' | 'community';
  container_format: string | null;
  disk_format: string | null;
  /** Bytes of data; null until there is some. */
  size: number | null;
  virtual_size: number | null;
  min_disk: number;
  min_ram: number;
  protected: Flag;
  hidden: Flag;
  /** MD5, as Glance's `checksum`. */
  checksum: string | null;
  os_hash_algo: string | null;
  os_hash_value: string | null;
  /** Who is saving its data: the api's name and a token of this one upload; only its bearer may end `saving`. */
  upload: string | null;
  /** `string[]` */
  tags: JsonText;
  /** Other properties: `{ [key]: string }` */
  properties: JsonText;
  /** Opens data that are an encrypted volume's; null for all others. */
  encryption_key_id: EncryptionKeyId | null;
  created_at: Time;
  updated_at: Time;
}

/** With which projects a shared image is shared. */
export interface ImageMembersTable {
  image_id: ImageId;
  member: ProjectId;
  /** `pending` until the project says; only accepted ones are in its lists. */
  status: 'pending' | 'accepted' | 'rejected';
  created_at: Time;
  updated_at: Time;
}

/** Nothing but a lock: who holds a project's row may add to its images' bytes. */
export interface ImageQuotasTable {
  project_id: ProjectId;
}

export interface FlavorsTable {
  id: FlavorId;
  name: string;
  vcpus: number;
  ram_mib: number;
  disk_gib: number;
  is_public: Flag;
  description: string | null;
  extra_specs: JsonText;
  created_at: Time;
}

export interface IdentityDomainsTable {
  id: string;
  name: string;
  description: string;
  enabled: Flag;
  /** 1: neither changed nor deleted before somebody says otherwise. */
  immutable: Flag | null;
}

export interface IdentityProjectsTable {
  id: ProjectId;
  domain_id: string;
  name: string;
  description: string;
  enabled: Flag;
  immutable: Flag | null;
  /** A list of words; null for none. */
  tags: JsonText | null;
  /** What else clients have said of it, by name. */
  extra: JsonText | null;
}

export interface IdentityUsersTable {
  id: UserId;
  domain_id: string;
  name: string;
  description: string | null;
  email: string | null;
  enabled: Flag;
  default_project_id: string | null;
  /** Its hash, in PHC's form; null for somebody who cannot log in. */
  password: string | null;
  /** Counts up when all tokens of this user end: they carry it. */
  epoch: Generated<number>;
  /** Wrong passwords since the last right one. */
  failures: Generated<number>;
  locked_until: Time | null;
}

export interface IdentityRolesTable {
  id: string;
  name: string;
  description: string | null;
  immutable: Flag | null;
}

/** Whoever has the one has the other. */
export interface IdentityRoleImplicationsTable {
  prior_role_id: string;
  implied_role_id: string;
}

export interface IdentityAssignmentsTable {
  user_id: UserId;
  /** `inherit`: in all projects of a domain. */
  scope: 'project' | 'domain' | 'system' | 'inherit';
  /** `all` for the system. */
  scope_id: string;
  role_id: string;
}

export interface IdentityGroupsTable {
  id: string;
  domain_id: string;
  name: string;
  description: string;
}

export interface IdentityGroupMembersTable {
  group_id: string;
  user_id: UserId;
}

export interface IdentityGroupAssignmentsTable {
  group_id: string;
  scope: IdentityAssignmentsTable['scope'];
  /** `all` for the system. */
  scope_id: string;
  role_id: string;
}

/** What a program logs in with in its user's name, for one project. */
export interface IdentityApplicationCredentialsTable {
  id: string;
  user_id: UserId;
  project_id: ProjectId;
  name: string;
  description: string | null;
  /** Its hash, in PHC's form. */
  secret: string;
  /** May make and delete others of its kind. */
  unrestricted: Flag;
  expires_at: Time | null;
  /** Wrong secrets since the last right one. */
  failures: Generated<number>;
  locked_until: Time | null;
}

export interface IdentityApplicationCredentialRolesTable {
  credential_id: string;
  role_id: string;
}

/** Tokens that were given back before their time. */
export interface IdentityRevocationsTable {
  audit_id: string;
  expires_at: Time;
}

/** One row: counts up with every change to these tables, so that what apis remember of them can be told to be old. */
export interface IdentityGenerationTable {
  id: 1;
  generation: number;
}

/** Which projects may use a private type. */
export interface VolumeTypeProjectsTable {
  volume_type_id: VolumeTypeId;
  project_id: ProjectId;
  created_at: Time;
}

/** How volumes of a type are to be encrypted. */
export interface VolumeTypeEncryptionsTable {
  volume_type_id: VolumeTypeId;
  encryption_id: string;
  provider: string;
  control_location: 'front-end' | 'back-end';
  cipher: string | null;
  /** Bits. */
  key_size: number | null;
  created_at: Time;
  updated_at: Time | null;
}

/** The type of a project's volumes for which none is asked. */
export interface DefaultVolumeTypesTable {
  project_id: ProjectId;
  volume_type_id: VolumeTypeId;
  created_at: Time;
  updated_at: Time | null;
}

export interface GroupTypesTable {
  id: GroupTypeId;
  name: string;
  description: string | null;
  is_public: Flag;
  /** `{ [key]: string }` */
  group_specs: JsonText;
  created_at: Time;
  updated_at: Time | null;
}

export interface VolumeGroupsTable {
  id: GroupId;
  project_id: ProjectId;
  user_id: UserId;
  name: string | null;
  description: string | null;
  status: GroupStatus;
  availability_zone: string;
  group_type_id: GroupTypeId;
  /** What it was made from; the source may be gone by now. */
  group_snapshot_id: GroupSnapshotId | null;
  source_group_id: GroupId | null;
  created_at: Time;
  updated_at: Time | null;
}

/** The volume types that a group takes. */
export interface VolumeGroupTypesTable {
  group_id: GroupId;
  volume_type_id: VolumeTypeId;
}

export interface GroupSnapshotsTable {
  id: GroupSnapshotId;
  project_id: ProjectId;
  user_id: UserId;
  name: string | null;
  description: string | null;
  status: GroupSnapshotStatus;
  group_id: GroupId;
  group_type_id: GroupTypeId;
  created_at: Time;
  updated_at: Time | null;
}

/** A volume that is offered to whoever has the key. */
export interface VolumeTransfersTable {
  id: TransferId;
  volume_id: VolumeId;
  source_project_id: ProjectId;
  name: string | null;
  salt: string;
  /** HMAC-SHA256 of the key under the salt, in hexadecimal. */
  key_hash: string;
  no_snapshots: Flag;
  created_at: Time;
}

/** A limit that an administrator has set. */
export interface QuotaLimitsTable {
  /** `project:<id>` or `class:<name>`. */
  owner: string;
  resource: string;
  /** Empty for what is limited over all types. */
  volume_type_id: VolumeTypeId | '';
  /** -1: none. */
  hard_limit: number;
}

/** Nothing but a lock: who holds a project's row may use more of what is limited. */
export interface QuotaLocksTable {
  project_id: ProjectId;
}

/** What an operation will use once it has succeeded; counts while the operation is open. */
export interface QuotaHoldsTable {
  operation_id: OperationId;
  resource: string;
  volume_type_id: VolumeTypeId | '';
  project_id: ProjectId;
  amount: number;
}

/** The built-in key manager's: what opens an encrypted volume, backup or image. */
export interface EncryptionKeysTable {
  id: EncryptionKeyId;
  project_id: ProjectId;
  /** The passphrase; AES-256-GCM with the id of what it opens as context, see queues/secrets.ts. */
  secret: string;
  /** How the volume that it is of is encrypted (schema/luks.ts). */
  cipher: LuksCipher;
  key_bits: number;
  created_at: Time;
}

export interface Tables {
  encryption_keys: EncryptionKeysTable;
  volumes: VolumesTable;
  volume_types: VolumeTypesTable;
  qos_specs: QosSpecsTable;
  attachments: AttachmentsTable;
  operations: OperationsTable;
  operation_steps: OperationStepsTable;
  services: ServicesTable;
  pools: PoolsTable;
  servers: ServersTable;
  snapshots: SnapshotsTable;
  images: ImagesTable;
  image_quotas: ImageQuotasTable;
  image_members: ImageMembersTable;
  flavors: FlavorsTable;
  evictions: EvictionsTable;
  backups: BackupsTable;
  quota_limits: QuotaLimitsTable;
  quota_locks: QuotaLocksTable;
  quota_holds: QuotaHoldsTable;
  identity_domains: IdentityDomainsTable;
  identity_projects: IdentityProjectsTable;
  identity_users: IdentityUsersTable;
  identity_roles: IdentityRolesTable;
  identity_role_implications: IdentityRoleImplicationsTable;
  identity_assignments: IdentityAssignmentsTable;
  identity_groups: IdentityGroupsTable;
  identity_group_members: IdentityGroupMembersTable;
  identity_group_assignments: IdentityGroupAssignmentsTable;
  identity_application_credentials: IdentityApplicationCredentialsTable;
  identity_application_credential_roles: IdentityApplicationCredentialRolesTable;
  identity_revocations: IdentityRevocationsTable;
  identity_generation: IdentityGenerationTable;
  volume_type_projects: VolumeTypeProjectsTable;
  volume_type_encryptions: VolumeTypeEncryptionsTable;
  default_volume_types: DefaultVolumeTypesTable;
  group_types: GroupTypesTable;
  volume_groups: VolumeGroupsTable;
  volume_group_types: VolumeGroupTypesTable;
  group_snapshots: GroupSnapshotsTable;
  volume_transfers: VolumeTransfersTable;
}
