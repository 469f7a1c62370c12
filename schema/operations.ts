/** Operations: what a flow is asked for. Everything else a flow reads from MySQL when it runs. */
import type { AttachmentId, PoolName, SnapshotId, VolumeId } from './ids.ts';
import type { RemovableKind } from './inventory.ts';
import type { Iotune } from './iotune.ts';
import type { DiskFormat, VolumeSource } from './tasks.ts';

export interface OperationInputs {
  /**
   * `pool`: where the source lies, and so the new volume must; without it placement chooses. `awaited`: an attachment waits
   * for it.
   */
  'volume.create': { source?: VolumeSource; pool?: PoolName; awaited?: true };
  'volume.delete': Record<string, never>;
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
   * request made the attachment, so a failure takes it away again.
   */
  'attachment.export': { createdHere: boolean };
  /** Take such an attachment away again. */
  'attachment.revoke': Record<string, never>;
  /** Snapshots are operations of the volume that they are of. */
  'snapshot.create': { snapshotId: SnapshotId };
  'snapshot.delete': { snapshotId: SnapshotId };
  /** Upload the volume to an image that the same request made. */
  'volume.upload': { imageId: string; diskFormat: DiskFormat };
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
  'server.power': { serverId: string; action: 'start' | 'stop' | 'reboot' | 'hard-reboot' };
}

/** What a repair does; further facts it reads from MySQL under the volume's lock. */
export type RepairInput =
  | { what: 'export' | 'grow' }
  /** Of the operation's attachment. */
  | { what: 'plug' | 'tune' }
  | { what: 'unplug'; host: string; serverId: string }
  | { what: 'disconnect'; host: string }
  | { what: 'remove'; host: string; backend: string; kind: RemovableKind; id: string };

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
