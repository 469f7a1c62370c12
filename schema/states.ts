/**
 * Every status a volume, an attachment or an operation can have, and which may follow which.
 * A status is also the lock: it changes only by compare-and-swap (`UPDATE … WHERE status IN (…)`).
 */

type Transitions = Readonly<Record<string, readonly string[]>>;

/** Cinder's volume statuses that this project uses, each with those that may follow it. */
export const VOLUME_TRANSITIONS = {
  creating: ['available', 'attaching', 'error'],
  available: [
    'reserved',
    'attaching',
    'extending',
    'deleting',
    'uploading',
    'unmanaging',
    'reverting',
    'retyping',
    'maintenance',
    'downloading',
    'awaiting-transfer',
    'backing-up',
    'restoring-backup',
  ],
  // A backup's operations hold the backup: what the volume's own do meanwhile leaves this to them.
  'backing-up': ['available', 'in-use', 'reserved', 'attaching'],
  'restoring-backup': ['available', 'error_restoring'],
  error_restoring: ['deleting', 'unmanaging', 'available'],
  // Offered to another project, until that accepts it or the offer is withdrawn.
  'awaiting-transfer': ['available'],
  reserved: ['attaching', 'in-use', 'available', 'error', 'downloading'],
  attaching: ['in-use', 'reserved', 'available', 'error'],
  'in-use': [
    'detaching',
    'extending',
    'reserved',
    'attaching',
    'available',
    'uploading',
    'retyping',
    'backing-up',
  ],
  detaching: ['available', 'in-use', 'reserved', 'attaching', 'error'],
  extending: ['available', 'in-use', 'reserved', 'attaching', 'error_extending'],
  uploading: ['available', 'in-use', 'reserved', 'attaching'],
  deleting: ['error_deleting'],
  reverting: ['available', 'error'],
  // `error`: which of two keys opens it nobody knows.
  retyping: ['available', 'in-use', 'reserved', 'attaching', 'error'],
  // Under way to another pool: nothing else may be asked for. `error`: where its data are nobody knows.
  maintenance: ['available', 'error'],
  downloading: ['available', 'reserved', 'attaching', 'error'],
  error: ['deleting', 'unmanaging', 'available', 'downloading'],
  error_deleting: ['deleting', 'available'],
  error_extending: ['deleting', 'unmanaging', 'extending', 'available', 'in-use'],
  managing: ['available', 'error_managing'],
  error_managing: ['deleting'],
  unmanaging: ['error_unmanaging'],
  error_unmanaging: ['unmanaging', 'available'],
} as const satisfies Transitions;

export type VolumeStatus = keyof typeof VOLUME_TRANSITIONS;

export const VOLUME_STATUSES = Object.keys(VOLUME_TRANSITIONS) as readonly VolumeStatus[];

/** The statuses from which `to` may be reached: the `IN (…)` list of a compare-and-swap. */
export function volumeStatusesBefore(to: VolumeStatus): VolumeStatus[] {
  return VOLUME_STATUSES.filter((from) => (VOLUME_TRANSITIONS[from] as readonly string[]).includes(to));
}

/** Cinder's snapshot statuses. */
export const SNAPSHOT_TRANSITIONS = {
  creating: ['available', 'error'],
  available: ['deleting', 'restoring', 'unmanaging', 'backing-up'],
  'backing-up': ['available'],
  restoring: ['available'],
  deleting: ['error_deleting'],
  unmanaging: ['error_unmanaging'],
  error_unmanaging: ['unmanaging', 'deleting', 'available'],
  error: ['deleting', 'unmanaging'],
  error_deleting: ['deleting', 'available'],
} as const satisfies Transitions;

export type SnapshotStatus = keyof typeof SNAPSHOT_TRANSITIONS;

export const SNAPSHOT_STATUSES = Object.keys(SNAPSHOT_TRANSITIONS) as readonly SnapshotStatus[];

/** The statuses from which a snapshot may get to `to`. */
export function snapshotStatusesBefore(to: SnapshotStatus): SnapshotStatus[] {
  return SNAPSHOT_STATUSES.filter((from) => (SNAPSHOT_TRANSITIONS[from] as readonly string[]).includes(to));
}

/** Statuses of Cinder's groups and group snapshots: what their volumes and snapshots, as they are, make of them. */
export type GroupStatus =
  | 'creating'
  | 'available'
  | 'updating'
  | 'deleting'
  | 'deleted'
  | 'error'
  | 'error_deleting';
export type GroupSnapshotStatus = GroupStatus;

/** Cinder's backup statuses. */
const BACKUP_TRANSITIONS = {
  creating: ['available', 'error', 'deleting'],
  available: ['restoring', 'deleting', 'error'],
  restoring: ['available', 'error', 'deleting'],
  error: ['deleting', 'available'],
  deleting: ['error_deleting'],
  error_deleting: ['deleting', 'available', 'error'],
} as const satisfies Transitions;

export type BackupStatus = keyof typeof BACKUP_TRANSITIONS;

/** The statuses from which a backup may get to `to`. */
export function backupStatusesBefore(to: BackupStatus): BackupStatus[] {
  const all = Object.keys(BACKUP_TRANSITIONS) as BackupStatus[];
  return all.filter((from) => (BACKUP_TRANSITIONS[from] as readonly string[]).includes(to));
}

/** Glance's image statuses that this project uses. */
export const IMAGE_TRANSITIONS = {
  queued: ['saving', 'active', 'deleted'],
  saving: ['active', 'queued', 'killed', 'deleted'],
  active: ['deactivated', 'deleted'],
  deactivated: ['active', 'deleted'],
  killed: ['deleted'],
  deleted: [],
} as const satisfies Transitions;

export type ImageStatus = keyof typeof IMAGE_TRANSITIONS;

/** Cinder's attachment statuses (attach_status of one attachment). */
const ATTACHMENT_TRANSITIONS = {
  reserved: ['attaching', 'attached', 'detaching'],
  attaching: ['reserved', 'attached', 'error_attaching', 'detaching'],
  attached: ['detaching'],
  detaching: ['attached', 'error_detaching'],
  error_attaching: ['detaching'],
  error_detaching: ['detaching', 'attached'],
} as const satisfies Transitions;

export type AttachmentStatus = keyof typeof ATTACHMENT_TRANSITIONS;

/** The statuses from which an attachment may get to `to`, and `to` itself: setting it again changes nothing. */
export function attachmentStatusesBefore(to: AttachmentStatus): AttachmentStatus[] {
  const all = Object.keys(ATTACHMENT_TRANSITIONS) as AttachmentStatus[];
  return all.filter(
    (from) => from === to || (ATTACHMENT_TRANSITIONS[from] as readonly string[]).includes(to),
  );
}

/**
 * An operation's life. `done` and `undone` are its good ends; `stuck` waits for a person and says why.
 */
export const OPERATION_TRANSITIONS = {
  // One that waits for a host that is down ends `undone` when its attachment is detached by force.
  queued: ['running', 'undone'],
  running: ['done', 'undoing', 'stuck', 'undone'],
  undoing: ['undone', 'stuck'],
  done: [],
  undone: [],
  stuck: ['running', 'undoing'],
} as const satisfies Transitions;

export type OperationState = keyof typeof OPERATION_TRANSITIONS;

/** The states in which an operation still has work to do. */
export const OPEN_OPERATION_STATES = [
  'queued',
  'running',
  'undoing',
] as const satisfies readonly OperationState[];

export type StepState = 'running' | 'done' | 'failed';
