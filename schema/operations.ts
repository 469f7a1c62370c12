/** Operations: what a flow is asked for. Everything else a flow reads from MySQL when it runs. */
import type {
  AttachmentId,
  BackupId,
  EncryptionKeyId,
  GroupId,
  GroupSnapshotId,
  HostName,
  OperationId,
  PoolName,
  SnapshotId,
  VolumeId,
  VolumeTypeId,
} from './ids.ts';
import type { RemovableKind } from './inventory.ts';
import type { Iotune } from './iotune.ts';
import type { OperationState, VolumeStatus } from './states.ts';
import type { DiskFormat, ImageSource, VolumeSource } from './tasks.ts';

export interface OperationInputs {
  /**
   * `pool`: where the source lies, and so the new volume must; without it placement chooses. `awaited`: an attachment waits
   * for it. `groupId`: the group that it is made in. `zones`: any of them will do; without it the row's.
   */
  'volume.create': {
    source?: VolumeSource;
    pool?: PoolName;
    awaited?: true;
    groupId?: GroupId;
    zones?: readonly string[];
  };
  /** `groupId`: its group goes with the last of its volumes. */
  'volume.delete': { groupId?: GroupId };
  /** Plug an attachment into a guest that one of our compute agents runs. */
  'volume.attach': { device: string | null };
  /** `serverGone`: its server is being deleted; then the volume may be marked to go with it. */
  'volume.detach': { serverGone?: true };
  /** Take an attachment from a host that is down: the storage side alone, with proof; the host is cleared when it is back. */
  'volume.force-detach': Record<string, never>;
  'volume.extend': { fromGib: number; toGib: number };
  /** Retune one attached volume; `before` is the set to go back to. */
  'qos.apply': { before: Iotune };
  /**
   * Export for a client that connects by itself (Cinder's attachments API with a connector). `createdHere`: the same
   * request made the attachment, so a failure takes it away again. `attached`: it had been noted as attached, and stays so.
   */
  'attachment.export': { createdHere: boolean; attached?: true };
  /** Take such an attachment away again. `keeps`: the export alone; what has been noted as attached stays. */
  'attachment.revoke': { keeps?: true };
  /** Snapshots are operations of the volume that they are of. */
  /** `groupSnapshotId`: the group snapshot that it is made, or goes, with. */
  'snapshot.create': { snapshotId: SnapshotId; groupSnapshotId?: GroupSnapshotId };
  'snapshot.delete': { snapshotId: SnapshotId; groupSnapshotId?: GroupSnapshotId };
  /** Upload the volume to an image that the same request made. `keyId`: the image's; it goes when the upload fails. */
  'volume.upload': { imageId: string; diskFormat: DiskFormat; keyId?: EncryptionKeyId };
  /** Servers are operations of their root volume; the attachment is the root volume's. */
  'server.create': {
    serverId: string;
    /** Where the user wants it; null leaves that open. */
    availabilityZone: string | null;
    host: string | null;
    /** The same request makes the volume: when the server cannot be made and was to take the volume with it, it goes. */
    madeVolume: boolean;
    /** Its other volumes, each with an attachment that waits for the server. */
    data?: readonly DataVolume[];
  };
  /** `takesVolume`: the root volume goes with it. */
  'server.delete': { serverId: string; takesVolume: boolean };
  /** Brings one thing on a host back to what MySQL says of the volume (queues/drift). */
  'volume.repair': RepairInput;
  /** Take what lies there under that name for the volume. */
  'volume.manage': { name: string; pool: PoolName };
  /** Forget the volume and leave its data, under that name. */
  'volume.unmanage': { name: string };
  /** Write the newest snapshot's data over the volume. */
  'volume.revert': { snapshotId: SnapshotId };
  /** Write an image's data over the volume; `metadata` is its `volume_image_metadata` from then on. */
  'volume.reimage': { image: ImageSource; metadata: Readonly<Record<string, string>> };
  /** Give the volume another type, and where that asks for it another pool. */
  'volume.retype': MoveInput;
  /** Move the volume to another pool. */
  'volume.migrate': MoveInput;
  /** Take what lies there under that name for a snapshot of the volume. */
  'snapshot.manage': { snapshotId: SnapshotId; name: string };
  /** Forget the snapshot and leave its data, under that name. */
  'snapshot.unmanage': { snapshotId: SnapshotId; name: string };
  /** Of the volume as it is, or of a snapshot; where its volume lies. */
  'backup.create': { data: BackupData; pool: PoolName; snapshotId: SnapshotId | null };
  /** `host`: an agent that has the backup's store; null: it never had data. */
  'backup.delete': { data: BackupData; host: HostName | null };
  /** Look whether an imported backup's data are there. */
  'backup.import': { data: BackupData; host: HostName };
  /** An operation of the volume that is written over. `keyId`: opens the backup's data, and so the volume from then on. */
  'backup.restore': { data: BackupData; backupId: BackupId; keyId?: EncryptionKeyId };
  'server.power': { serverId: string; action: 'start' | 'stop' | 'reboot' | 'hard-reboot' };
}

interface MoveKeys {
  readonly from: EncryptionKeyId | null;
  readonly to: EncryptionKeyId | null;
}

export interface MoveInput {
  /** The type that the volume gets; without it the volume keeps the one that it has. */
  readonly type?: { readonly id: VolumeTypeId; readonly multiattach: boolean };
  /** The only pool that will do; without it placement chooses one, where it must be another. */
  readonly pool?: PoolName;
  /** `never`: the volume must stay where it is. */
  readonly policy: 'never' | 'on-demand';
  /** The data get another encryption: the key that has opened them so far, and the one that is to; null: they lie in clear. */
  readonly keys?: MoveKeys;
  /** Once it is stuck and the volume's data have been written anew: those same, in doubt no longer. */
  readonly formerKeys?: MoveKeys;
  /** With which the other agent logs in to read it; the secret is sealed. */
  readonly account: { readonly username: string; readonly secret: string };
}

/** What a repair does; further facts it reads from MySQL under the volume's lock. */
export type RepairInput =
  | { what: 'export' | 'grow' }
  /** Of the operation's attachment. */
  | { what: 'plug' | 'tune' | 'resize' }
  | { what: 'unplug'; host: string; serverId: string }
  | { what: 'disconnect'; host: string }
  | { what: 'remove'; host: string; backend: string; kind: RemovableKind; id: string }
  /** Not carried out: stuck, it keeps the volume from everybody until `restored` is run again (queues/restored/hold.ts). */
  | { what: 'hold'; status: VolumeStatus; holder: OperationId | null; ended: readonly HeldOperation[] };

/** An operation that was under way in the backup of MySQL, as it was there. */
export interface HeldOperation {
  readonly id: OperationId;
  readonly state: OperationState;
}

/** Where a backup's data are: in which store, under which names. */
export interface BackupData {
  readonly store: string;
  readonly repository: string;
  readonly dataId: string;
}

/** What a backup knows of its volume besides the data; a volume made from it has that too. */
export interface BackedUpVolume {
  readonly bootable: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly imageMetadata: Readonly<Record<string, string>> | null;
  /** Of an encrypted one: what is made of the backup must be of such a type. */
  readonly encryptedType?: VolumeTypeId | null;
}

/** Operations that hold a backup, not its volume. */
export type BackupOperationKind = 'backup.create' | 'backup.delete' | 'backup.import';

/** A volume that a server has from its making on, besides its root. */
export interface DataVolume {
  readonly volumeId: VolumeId;
  readonly attachmentId: AttachmentId;
  /** `/dev/vdX`; null takes the first free one. */
  readonly device: string | null;
  /** The same request makes it: when the server cannot be made and was to take it with it, it goes. */
  readonly made: boolean;
}

export type OperationKind = keyof OperationInputs;

/** How many sequence numbers an operation owns, from its `seq_base` on: one for each step and one for each undo. */
export const SEQ_PER_OPERATION = 64;
